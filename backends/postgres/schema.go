package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/redrive-go/redrive/backends/internal/sqlstore"
)

// migrations bring a schema from one version to the next; their number is the present version. A migration that was
// released is never changed. {p} is the prefix of names, {s} what names the schema before them. Times are microseconds
// since 1970.
var migrations = []string{`
-- Messages. Those that never had to wait for a time stand in the order of their ids, the delayed ones in the order in
-- which they are due. A claim changes no indexed column, so that the changed row stays in its page and no index grows: room
-- is left for it.
CREATE TABLE {s}{p}messages (
	id         bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	due        bigint  NOT NULL DEFAULT 0,
	claim      bigint  NOT NULL DEFAULT 0,
	claimed_at bigint  NOT NULL DEFAULT 0,
	attempt    integer NOT NULL DEFAULT 0,
	redrives   integer NOT NULL DEFAULT 0,
	delayed    boolean NOT NULL DEFAULT false,
	topic      text    NOT NULL COLLATE "C",
	uuid       text    NOT NULL COLLATE "C",
	metadata   text    NOT NULL,
	history    text    NOT NULL DEFAULT '',
	payload    bytea   NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX {p}messages_waiting ON {s}{p}messages (topic, id) WHERE NOT delayed;
CREATE INDEX {p}messages_delayed ON {s}{p}messages (topic, due) WHERE delayed;

-- Claims: which messages were taken together, and until when they are held. A message whose claim column says otherwise
-- does not belong to it any more.
CREATE TABLE {s}{p}claims (
	claim bigint   NOT NULL,
	topic text     NOT NULL COLLATE "C",
	until bigint   NOT NULL,
	ids   bigint[] NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX {p}claims_claim ON {s}{p}claims (claim);
CREATE INDEX {p}claims_until ON {s}{p}claims (topic, until);

-- What became of every accepted event, and of its callback. Room is left in the pages for the outcome.
CREATE TABLE {s}{p}events (
	correlation_id       text    NOT NULL COLLATE "C" PRIMARY KEY,
	body_hash            bytea   NOT NULL,
	created_at           bigint  NOT NULL,
	updated_at           bigint  NOT NULL,
	next_attempt_at      bigint  NOT NULL DEFAULT 0,
	callback_next_at     bigint  NOT NULL DEFAULT 0,
	callback_updated_at  bigint  NOT NULL DEFAULT 0,
	redriven_at          bigint  NOT NULL DEFAULT 0,
	callback_redriven_at bigint  NOT NULL DEFAULT 0,
	attempts             integer NOT NULL DEFAULT 0,
	callback_attempts    integer NOT NULL DEFAULT 0,
	status               text    NOT NULL,
	callback             text    NOT NULL DEFAULT '',
	response             bytea,
	history              text,
	callback_history     text
) WITH (fillfactor = 60);

-- DLQs, each with the counter that numbers its entries, how many stand, and up to which they were exported.
CREATE TABLE {s}{p}dlqs (
	id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	name           text   NOT NULL UNIQUE,
	last_entry     bigint NOT NULL,
	last_at        bigint NOT NULL DEFAULT 0,
	entries        bigint NOT NULL DEFAULT 0,
	exported_up_to bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 20);

-- The id's upper bits name the DLQ, the lower 48 number the entry within it.
CREATE TABLE {s}{p}dead_letters (
	id             bigint  NOT NULL PRIMARY KEY,
	dlq            bigint  NOT NULL,
	created_at     bigint  NOT NULL,
	accepted_at    bigint  NOT NULL,
	signature      bigint  NOT NULL,
	redrives       integer NOT NULL,
	job            text    NOT NULL DEFAULT '',
	topic          text    NOT NULL COLLATE "C",
	message_id     text    NOT NULL COLLATE "C",
	correlation_id text    NOT NULL COLLATE "C",
	error_type     text    NOT NULL,
	error_message  text    NOT NULL,
	error_stack    text    NOT NULL,
	metadata       text    NOT NULL,
	history        text    NOT NULL,
	payload        bytea   NOT NULL
);
CREATE UNIQUE INDEX {p}dead_letters_message ON {s}{p}dead_letters (dlq, message_id);
CREATE INDEX {p}dead_letters_event ON {s}{p}dead_letters (correlation_id, id);
CREATE INDEX {p}dead_letters_cause ON {s}{p}dead_letters (signature, id) INCLUDE (redrives, job); -- also counts by these

-- The causes of what stands in a DLQ, each with how many entries have it.
CREATE TABLE {s}{p}error_groups (
	dlq       bigint NOT NULL,
	signature bigint NOT NULL,
	entries   bigint NOT NULL,
	type      text   NOT NULL,
	message   text   NOT NULL,
	PRIMARY KEY (dlq, signature)
) WITH (fillfactor = 50);

-- What went through the queue of a DLQ within a minute, and how many entries the DLQ held.
CREATE TABLE {s}{p}traffic (
	dlq      bigint NOT NULL,
	at       bigint NOT NULL,
	depth    bigint NOT NULL,
	accepted bigint NOT NULL,
	done     bigint NOT NULL,
	again    bigint NOT NULL,
	dead     bigint NOT NULL,
	PRIMARY KEY (dlq, at)
) WITH (fillfactor = 50);

-- Retry jobs, of which the latest of a DLQ may be running.
CREATE TABLE {s}{p}retry_jobs (
	seq           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	queue         text   NOT NULL,
	id            text   NOT NULL,
	options       text   NOT NULL,
	after_id      bigint NOT NULL,
	state         text   NOT NULL,
	started_at    bigint NOT NULL,
	started_by    text   NOT NULL,
	total         bigint NOT NULL,
	moved         bigint NOT NULL,
	batches       bigint NOT NULL,
	batch_moved   bigint NOT NULL,
	processed     bigint NOT NULL,
	refused       bigint NOT NULL,
	came_back     bigint NOT NULL,
	up_to         bigint NOT NULL,
	next_batch_at bigint NOT NULL,
	ended_at      bigint NOT NULL,
	error         text   NOT NULL,
	owner         text   NOT NULL,
	lease         bigint NOT NULL,
	lease_until   bigint NOT NULL
) WITH (fillfactor = 50);
CREATE INDEX {p}retry_jobs_queue ON {s}{p}retry_jobs (queue, seq);
CREATE INDEX {p}retry_jobs_job ON {s}{p}retry_jobs (queue, id);

-- One row: the settings, once somebody saved any.
CREATE TABLE {s}{p}settings (
	id    integer NOT NULL PRIMARY KEY CHECK (id = 1),
	value text    NOT NULL
);

CREATE TABLE {s}{p}exports (
	id          text   NOT NULL PRIMARY KEY,
	queue       text   NOT NULL,
	state       text   NOT NULL,
	record      text   NOT NULL,
	owner       text   NOT NULL DEFAULT '',
	lease       bigint NOT NULL DEFAULT 0,
	lease_until bigint NOT NULL DEFAULT 0
);
CREATE INDEX {p}exports_queue ON {s}{p}exports (queue, id);
CREATE INDEX {p}exports_running ON {s}{p}exports (id) WHERE state = 'running';

CREATE TABLE {s}{p}audit (
	id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	at             bigint NOT NULL,
	actor          text   NOT NULL,
	action         text   NOT NULL,
	queue          text   NOT NULL,
	target         text   NOT NULL,
	correlation_id text   NOT NULL,
	count          bigint NOT NULL,
	outcome        text   NOT NULL,
	detail         text   NOT NULL
);
CREATE INDEX {p}audit_event ON {s}{p}audit (correlation_id, id);
`}

const createVersion = `
-- The version of the schema, and when it was last seen to be writable.
CREATE TABLE {s}{p}schema (
	id         integer NOT NULL PRIMARY KEY DEFAULT 1 CHECK (id = 1),
	version    integer NOT NULL,
	checked_at bigint  NOT NULL DEFAULT 0
) WITH (fillfactor = 20);
INSERT INTO {s}{p}schema (version) VALUES (0);
`

// ErrNewer is returned by Open and New for a schema that is newer than this version of the library.
var ErrNewer = sqlstore.ErrNewer

// ErrNotMigrated is returned by Open and New with Config.SkipMigrate for a schema that is not up to date.
var ErrNotMigrated = sqlstore.ErrNotMigrated

// Migrations returns the SQL that brings an empty schema to the present version, for a DBA to read or to run: MigrationsFrom
// of version 0.
func Migrations(cfg *Config) (string, error) { return MigrationsFrom(cfg, 0) }

// MigrationsFrom returns the SQL that brings a schema from a version to the present one, for a DBA to read or to run, with psql
// say. ErrNotMigrated tells the version that stands: 0 where there is nothing yet. It is what Open and New run by themselves
// unless Config.SkipMigrate is set, as one transaction, so that all of it happens or nothing: nothing on another version than
// that, where it fails at once. It is empty for the present version, and an error for one that is not from 0 to that.
//
// Without Config.Schema the tables are made in the first schema in the search_path of whoever runs it.
func MigrationsFrom(cfg *Config, version int) (string, error) {
	names, err := cfg.names()
	if err != nil {
		return "", fmt.Errorf("postgres: migrations: %w", err)
	}
	script, err := transaction(newMigrator(nil, names, false), version)
	if err != nil {
		return "", fmt.Errorf("postgres: migrations: %w", err)
	}
	return script, nil
}

// transaction is a script with all that it takes around it.
func transaction(m *sqlstore.Migrator, version int) (string, error) {
	script, err := m.Script(version)
	if err != nil || script == "" {
		return "", err
	}
	begin := "BEGIN;\n"
	if version == 0 && m.Names.Schema != "" {
		begin += "CREATE SCHEMA IF NOT EXISTS " + m.Names.Quote(m.Names.Schema) + ";\n"
	}
	return begin + script + "COMMIT;\n", nil
}

// schemaOf is the schema in which a table is found, or else would be made.
const schemaOf = `
	SELECT coalesce((
		SELECT n.nspname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE c.oid = to_regclass(?::text)), current_schema(), '')::text`

// located returns names that say in which schema the tables are. What replicas have in common is named after that: some may
// be configured with it, others find it by their search_path.
func located(t sqlstore.Tx, names sqlstore.Names) (sqlstore.Names, error) {
	if names.Schema != "" {
		return names, nil
	}
	err := sqlstore.One(t, []any{&names.Schema}, schemaOf, names.Table("schema"))
	return names, err
}

const schemaExists = `SELECT count(*) FROM pg_catalog.pg_namespace WHERE nspname = ?`

// newMigrator returns what brings the schema up to date: in one transaction, as PostgreSQL can, under a lock that all
// replicas of this library take.
func newMigrator(db *sqlstore.Server, names sqlstore.Names, skip bool) *sqlstore.Migrator {
	return &sqlstore.Migrator{
		Names: names, First: createVersion, Versions: migrations, Skip: skip,
		Locked: func(ctx context.Context, work func(sqlstore.Tx) error) error {
			return db.Transact(ctx, func(t sqlstore.Tx) error {
				if err := lock(t, names); err != nil {
					return err
				}
				return work(t)
			})
		},
		Present: func(t sqlstore.Tx) (int, error) { return present(t, names) },
	}
}

// lock takes the lock on these tables until the transaction ends.
func lock(t sqlstore.Tx, names sqlstore.Names) error {
	names, err := located(t, names)
	if err != nil {
		return err
	}
	_, err = t.Exec(`SELECT pg_advisory_xact_lock(?::bigint)`, int64(names.Hash("migrations"))) //nolint:gosec // any key will do
	return err
}

// present returns the version that stands, and makes schema and version table where there are none. A statement that
// fails would end the transaction, and CREATE SCHEMA needs a right to it even where there is one.
func present(t sqlstore.Tx, names sqlstore.Names) (int, error) {
	if names.Schema != "" {
		var found int
		if err := sqlstore.One(t, []any{&found}, schemaExists, names.Schema); err != nil {
			return 0, err
		}
		if found == 0 {
			if err := createSchema(t, names); err != nil {
				return 0, err
			}
		}
	}
	var table *string
	if err := sqlstore.One(t, []any{&table}, `SELECT to_regclass(?::text)::text`, names.Table("schema")); err != nil {
		return 0, err
	}
	if table == nil {
		return 0, sqlstore.ExecScript(t, names.In(createVersion))
	}
	return sqlstore.Version(t)
}

// createSchema makes the schema. Whoever has tables of other names in it holds another lock, and may make it at the same time:
// it is there once that has committed, so that the same again succeeds.
func createSchema(t sqlstore.Tx, names sqlstore.Names) error {
	_, err := t.Exec("CREATE SCHEMA " + names.Quote(names.Schema))
	var e *pgconn.PgError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e) && (e.Code == "23505" || e.Code == "42P06"): // unique_violation, duplicate_schema
		err = fmt.Errorf("%w: %w", sqlstore.ErrConflict, err)
	}
	return fmt.Errorf("create the schema: %w", err)
}
