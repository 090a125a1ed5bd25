package mysql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"time"

	"github.com/redrive-go/redrive/backends/internal/sqlstore"
)

// migrations bring a schema from one version to the next; their number is the present version. A migration that was
// released is never changed. A statement that changes tables commits by itself, so each must do no harm when it is run
// again. Times are microseconds since 1970.
//
// Texts are bytes as well: collations with exact comparison go by different names in MySQL and MariaDB, and the server
// would convert to and from the character set of whatever connection the host brings.
var migrations = []string{`
-- What waits (held is 0), what is held by a consumer (held is 1, due is the end of its lease), what is due again later. held
-- is whether claim is not 0: there are no partial indexes.
CREATE TABLE IF NOT EXISTS {s}{p}messages (
	id         BIGINT         NOT NULL AUTO_INCREMENT PRIMARY KEY,
	due        BIGINT         NOT NULL,
	claim      BIGINT         NOT NULL DEFAULT 0,
	claimed_at BIGINT         NOT NULL DEFAULT 0,
	held       TINYINT        NOT NULL DEFAULT 0,
	attempt    INT            NOT NULL DEFAULT 0,
	redrives   BIGINT         NOT NULL DEFAULT 0,
	topic      VARBINARY(255) NOT NULL,
	uuid       VARBINARY(255) NOT NULL,
	metadata   LONGBLOB       NOT NULL,
	history    LONGBLOB       NOT NULL,
	payload    LONGBLOB       NOT NULL,
	KEY waiting (topic, held, due)
) ENGINE = InnoDB;

-- What became of every accepted event, and of its callback.
CREATE TABLE IF NOT EXISTS {s}{p}events (
	correlation_id       VARBINARY(255) NOT NULL PRIMARY KEY,
	body_hash            VARBINARY(32)  NOT NULL,
	created_at           BIGINT         NOT NULL,
	updated_at           BIGINT         NOT NULL,
	next_attempt_at      BIGINT         NOT NULL DEFAULT 0,
	callback_next_at     BIGINT         NOT NULL DEFAULT 0,
	callback_updated_at  BIGINT         NOT NULL DEFAULT 0,
	redriven_at          BIGINT         NOT NULL DEFAULT 0,
	callback_redriven_at BIGINT         NOT NULL DEFAULT 0,
	attempts             INT            NOT NULL DEFAULT 0,
	callback_attempts    INT            NOT NULL DEFAULT 0,
	status               VARBINARY(32)  NOT NULL,
	callback             VARBINARY(32)  NOT NULL DEFAULT '',
	response             LONGBLOB,
	history              LONGBLOB,
	callback_history     LONGBLOB
) ENGINE = InnoDB;

-- DLQs, each with the counter that numbers its entries, how many stand, and up to which they were exported.
CREATE TABLE IF NOT EXISTS {s}{p}dlqs (
	id             BIGINT         NOT NULL AUTO_INCREMENT PRIMARY KEY,
	name           VARBINARY(255) NOT NULL,
	last_entry     BIGINT         NOT NULL,
	last_at        BIGINT         NOT NULL DEFAULT 0,
	entries        BIGINT         NOT NULL DEFAULT 0,
	exported_up_to BIGINT         NOT NULL DEFAULT 0,
	UNIQUE KEY name (name)
) ENGINE = InnoDB;

-- The id's upper bits name the DLQ, the lower 48 number the entry within it.
CREATE TABLE IF NOT EXISTS {s}{p}dead_letters (
	id             BIGINT         NOT NULL PRIMARY KEY,
	dlq            BIGINT         NOT NULL,
	created_at     BIGINT         NOT NULL,
	accepted_at    BIGINT         NOT NULL,
	signature      BIGINT         NOT NULL,
	redrives       BIGINT         NOT NULL,
	job            VARBINARY(64)  NOT NULL DEFAULT '',
	topic          VARBINARY(255) NOT NULL,
	message_id     VARBINARY(255) NOT NULL,
	correlation_id VARBINARY(255) NOT NULL,
	error_type     LONGBLOB       NOT NULL,
	error_message  LONGBLOB       NOT NULL,
	error_stack    LONGBLOB       NOT NULL,
	metadata       LONGBLOB       NOT NULL,
	history        LONGBLOB       NOT NULL,
	payload        LONGBLOB       NOT NULL,
	UNIQUE KEY message (dlq, message_id),
	KEY event (correlation_id, id),
	KEY cause (signature, id, redrives, job)
) ENGINE = InnoDB;

-- The causes of what stands in a DLQ, each with how many entries have it.
CREATE TABLE IF NOT EXISTS {s}{p}error_groups (
	dlq       BIGINT   NOT NULL,
	signature BIGINT   NOT NULL,
	entries   BIGINT   NOT NULL,
	type      LONGBLOB NOT NULL,
	message   LONGBLOB NOT NULL,
	PRIMARY KEY (dlq, signature)
) ENGINE = InnoDB;

-- What went through the queue of a DLQ within a minute, and how many entries the DLQ held.
CREATE TABLE IF NOT EXISTS {s}{p}traffic (
	dlq      BIGINT NOT NULL,
	at       BIGINT NOT NULL,
	depth    BIGINT NOT NULL,
	accepted BIGINT NOT NULL,
	done     BIGINT NOT NULL,
	again    BIGINT NOT NULL,
	dead     BIGINT NOT NULL,
	PRIMARY KEY (dlq, at)
) ENGINE = InnoDB;

-- Retry jobs, of which the latest of a DLQ may be running.
CREATE TABLE IF NOT EXISTS {s}{p}retry_jobs (
	seq           BIGINT         NOT NULL AUTO_INCREMENT PRIMARY KEY,
	queue         VARBINARY(255) NOT NULL,
	id            VARBINARY(255) NOT NULL,
	options       LONGBLOB       NOT NULL,
	after_id      BIGINT         NOT NULL,
	state         VARBINARY(32)  NOT NULL,
	started_at    BIGINT         NOT NULL,
	started_by    LONGBLOB       NOT NULL,
	total         BIGINT         NOT NULL,
	moved         BIGINT         NOT NULL,
	batches       BIGINT         NOT NULL,
	batch_moved   BIGINT         NOT NULL,
	processed     BIGINT         NOT NULL,
	refused       BIGINT         NOT NULL,
	came_back     BIGINT         NOT NULL,
	up_to         BIGINT         NOT NULL,
	next_batch_at BIGINT         NOT NULL,
	ended_at      BIGINT         NOT NULL,
	error         LONGBLOB       NOT NULL,
	owner         VARBINARY(255) NOT NULL,
	lease         BIGINT         NOT NULL,
	lease_until   BIGINT         NOT NULL,
	KEY queue (queue, seq),
	KEY job (queue, id)
) ENGINE = InnoDB;

-- One row: the settings, once somebody saved any.
CREATE TABLE IF NOT EXISTS {s}{p}settings (
	id    INT      NOT NULL PRIMARY KEY,
	value LONGBLOB NOT NULL
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS {s}{p}exports (
	id          VARBINARY(255) NOT NULL PRIMARY KEY,
	queue       VARBINARY(255) NOT NULL,
	state       VARBINARY(32)  NOT NULL,
	record      LONGBLOB       NOT NULL,
	owner       VARBINARY(255) NOT NULL DEFAULT '',
	lease       BIGINT         NOT NULL DEFAULT 0,
	lease_until BIGINT         NOT NULL DEFAULT 0,
	KEY queue (queue, id),
	KEY state (state, id)
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS {s}{p}audit (
	id             BIGINT         NOT NULL AUTO_INCREMENT PRIMARY KEY,
	at             BIGINT         NOT NULL,
	actor          LONGBLOB       NOT NULL,
	action         LONGBLOB       NOT NULL,
	queue          LONGBLOB       NOT NULL,
	target         LONGBLOB       NOT NULL,
	correlation_id VARBINARY(255) NOT NULL,
	count          BIGINT         NOT NULL,
	outcome        LONGBLOB       NOT NULL,
	detail         LONGBLOB       NOT NULL,
	KEY audit_event (correlation_id, id)
) ENGINE = InnoDB;
`}

const createVersion = `
-- The version of the schema, and when it was last seen to be writable.
CREATE TABLE IF NOT EXISTS {s}{p}schema (
	id         INT    NOT NULL PRIMARY KEY,
	version    INT    NOT NULL,
	checked_at BIGINT NOT NULL DEFAULT 0
) ENGINE = InnoDB;
INSERT INTO {s}{p}schema (id, version) VALUES (1, 0) ON DUPLICATE KEY UPDATE id = id;
`

// ErrNewer is returned by Open and New for a schema that is newer than this version of the library.
var ErrNewer = sqlstore.ErrNewer

// ErrNotMigrated is returned by Open and New with Config.SkipMigrate for a schema that is not up to date.
var ErrNotMigrated = sqlstore.ErrNotMigrated

// Migrations returns the SQL that brings an empty database to the present version, for a DBA to read or to run: MigrationsFrom
// of version 0.
func Migrations(cfg *Config) (string, error) { return MigrationsFrom(cfg, 0) }

// MigrationsFrom returns the SQL that brings a schema from a version to the present one, for a DBA to read or to run, with the
// client of MySQL or MariaDB say. ErrNotMigrated tells the version that stands: 0 where there is nothing yet. It is what Open
// and New run by themselves unless Config.SkipMigrate is set. It is empty for the present version, and an error for one that is
// not from 0 to that.
//
// On another version than that the script fails at once, for a duplicate key; the client must stop at an error, as it does
// without --force. There are no transactions around changes to tables: after a script that broke off, the one of the version
// that stands then is run from its beginning. Two at the same time are not kept apart.
func MigrationsFrom(cfg *Config, version int) (string, error) {
	names, err := cfg.names()
	if err != nil {
		return "", fmt.Errorf("mysql: migrations: %w", err)
	}
	script, err := newMigrator(nil, names, false).Script(version)
	if err != nil {
		return "", fmt.Errorf("mysql: migrations: %w", err)
	}
	return script, nil
}

// newMigrator returns what brings the schema up to date, on one connection that holds a lock which all replicas of this
// library take.
func newMigrator(from *sqlstore.StdSource, names sqlstore.Names, skip bool) *sqlstore.Migrator {
	return &sqlstore.Migrator{
		Names: names, First: createVersion, Versions: migrations, Skip: skip,
		Locked: func(ctx context.Context, work func(sqlstore.Tx) error) error {
			return locked(ctx, from, names, work)
		},
		Present: func(t sqlstore.Tx) (int, error) {
			if err := sqlstore.ExecScript(t, names.In(createVersion)); err != nil {
				return 0, err
			}
			return sqlstore.Version(t)
		},
	}
}

const (
	// lockPatience is for how many seconds to wait for a replica that migrates. lockRelease bounds the end of the lock.
	lockPatience = 20
	lockRelease  = 5 * time.Second
)

// errMigrating is returned while another replica migrates.
var errMigrating = fmt.Errorf("%w: another replica brings the schema up to date", sqlstore.ErrUnavailable)

// locked runs work on a connection that holds the lock of these tables.
func locked(ctx context.Context, from *sqlstore.StdSource, names sqlstore.Names, work func(sqlstore.Tx) error) error {
	conn, err := from.DB.Conn(ctx)
	if err != nil {
		return explain(err)
	}
	defer func() { _ = conn.Close() }() // it goes back to the pool
	t := from.Tx(ctx, conn)
	if _, err := readSession(t); err != nil {
		return err
	}
	lock, err := lockName(t, names)
	if err != nil {
		return err
	}
	var got *int
	if err := sqlstore.One(t, []any{&got}, `SELECT GET_LOCK(?, ?)`, lock, lockPatience); err != nil {
		return err
	}
	if got == nil || *got != 1 {
		return errMigrating
	}
	defer unlock(ctx, conn, lock)
	return work(t)
}

// lockName is the name of the lock on tables of these names: locks are the server's, not a database's.
func lockName(t sqlstore.Tx, names sqlstore.Names) (string, error) {
	if names.Schema == "" {
		if err := sqlstore.One(t, []any{&names.Schema}, `SELECT DATABASE()`); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("redrive_%016x", names.Hash("migrations")), nil
}

// unlock gives the lock back, also after ctx has ended. A connection on which that fails is closed, which does the same.
func unlock(ctx context.Context, conn *sql.Conn, lock string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lockRelease)
	defer cancel()
	if _, err := conn.ExecContext(ctx, `DO RELEASE_LOCK(?)`, lock); err != nil {
		_ = conn.Raw(func(any) error { return driver.ErrBadConn })
	}
}
