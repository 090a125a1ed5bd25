package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// applicationID marks a database file as one of this library's: "RDRV" in the header, see
// https://www.sqlite.org/pragma.html#pragma_application_id.
const applicationID = 0x52445256

// idBits is how many bits of a message's or dead letter's id count within its topic or DLQ. The bits above name
// the topic or DLQ, so that the table itself is ordered by it and needs no index for it.
const idBits = 48

// migrations bring a database from one schema version to the next; their number is the present version. A migration that
// was released is never changed.
var migrations = []string{`
-- Topics, each with the counter that numbers its messages and how many of them stand.
CREATE TABLE topics (
	id           INTEGER PRIMARY KEY,
	name         TEXT    NOT NULL UNIQUE,
	last_message INTEGER NOT NULL,
	messages     INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Messages never change while they stand. One without a row in deliveries was never claimed.
CREATE TABLE messages (
	id       INTEGER PRIMARY KEY,
	redrives INTEGER NOT NULL DEFAULT 0,
	uuid     TEXT    NOT NULL,
	metadata TEXT    NOT NULL,
	history  TEXT    NOT NULL DEFAULT '',
	payload  BLOB    NOT NULL
) STRICT;

-- What happened to a message since: who holds it until when (claim is not 0), or when it is due again (claim is 0).
CREATE TABLE deliveries (
	id         INTEGER PRIMARY KEY,
	topic      INTEGER NOT NULL,
	attempt    INTEGER NOT NULL,
	claim      INTEGER NOT NULL,
	due        INTEGER NOT NULL,
	claimed_at INTEGER NOT NULL,
	metadata   TEXT,
	history    TEXT
) STRICT;
CREATE INDEX deliveries_waiting ON deliveries (topic, due) WHERE claim = 0;

-- What became of every accepted event, and of its callback.
CREATE TABLE events (
	correlation_id       TEXT    PRIMARY KEY,
	body_hash            BLOB    NOT NULL,
	status               TEXT    NOT NULL,
	created_at           INTEGER NOT NULL,
	updated_at           INTEGER NOT NULL,
	attempts             INTEGER NOT NULL DEFAULT 0,
	next_attempt_at      INTEGER NOT NULL DEFAULT 0,
	redriven_at          INTEGER NOT NULL DEFAULT 0,
	callback             TEXT    NOT NULL DEFAULT '',
	callback_attempts    INTEGER NOT NULL DEFAULT 0,
	callback_next_at     INTEGER NOT NULL DEFAULT 0,
	callback_updated_at  INTEGER NOT NULL DEFAULT 0,
	callback_redriven_at INTEGER NOT NULL DEFAULT 0,
	response             BLOB,
	history              TEXT,
	callback_history     TEXT
) STRICT, WITHOUT ROWID;

-- DLQs, each with the counter that numbers its entries, how many stand, and up to which they were exported.
CREATE TABLE dlqs (
	id             INTEGER PRIMARY KEY,
	name           TEXT    NOT NULL UNIQUE,
	last_entry     INTEGER NOT NULL,
	last_at        INTEGER NOT NULL DEFAULT 0,
	entries        INTEGER NOT NULL DEFAULT 0,
	exported_up_to INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE dead_letters (
	id             INTEGER PRIMARY KEY,
	dlq            INTEGER NOT NULL,
	redrives       INTEGER NOT NULL,
	created_at     INTEGER NOT NULL,
	accepted_at    INTEGER NOT NULL,
	signature      INTEGER NOT NULL,
	job            TEXT    NOT NULL DEFAULT '',
	topic          TEXT    NOT NULL,
	message_id     TEXT    NOT NULL,
	correlation_id TEXT    NOT NULL,
	error_type     TEXT    NOT NULL,
	error_message  TEXT    NOT NULL,
	error_stack    TEXT    NOT NULL,
	metadata       TEXT    NOT NULL,
	history        TEXT    NOT NULL,
	payload        BLOB    NOT NULL
) STRICT;
CREATE UNIQUE INDEX dead_letters_message ON dead_letters (dlq, message_id);
CREATE INDEX dead_letters_event ON dead_letters (correlation_id, id);
CREATE INDEX dead_letters_cause ON dead_letters (signature, id, redrives, job); -- also counts by redrives and job

-- The causes of what stands in a DLQ, each with how many entries have it.
CREATE TABLE error_groups (
	dlq       INTEGER NOT NULL,
	signature INTEGER NOT NULL,
	entries   INTEGER NOT NULL,
	type      TEXT    NOT NULL,
	message   TEXT    NOT NULL,
	PRIMARY KEY (dlq, signature)
) STRICT, WITHOUT ROWID;

-- What went through the queue of a DLQ within a minute, and how many entries the DLQ held.
CREATE TABLE traffic (
	dlq      INTEGER NOT NULL,
	at       INTEGER NOT NULL,
	depth    INTEGER NOT NULL,
	accepted INTEGER NOT NULL,
	done     INTEGER NOT NULL,
	again    INTEGER NOT NULL,
	dead     INTEGER NOT NULL,
	PRIMARY KEY (dlq, at)
) STRICT, WITHOUT ROWID;

-- Retry jobs, of which the latest of a DLQ may be running.
CREATE TABLE retry_jobs (
	seq           INTEGER PRIMARY KEY AUTOINCREMENT,
	queue         TEXT    NOT NULL,
	id            TEXT    NOT NULL,
	options       TEXT    NOT NULL,
	after_id      INTEGER NOT NULL,
	state         TEXT    NOT NULL,
	started_at    INTEGER NOT NULL,
	started_by    TEXT    NOT NULL,
	total         INTEGER NOT NULL,
	moved         INTEGER NOT NULL DEFAULT 0,
	batches       INTEGER NOT NULL DEFAULT 0,
	batch_moved   INTEGER NOT NULL DEFAULT 0,
	processed     INTEGER NOT NULL DEFAULT 0,
	refused       INTEGER NOT NULL DEFAULT 0,
	came_back     INTEGER NOT NULL DEFAULT 0,
	up_to         INTEGER NOT NULL,
	next_batch_at INTEGER NOT NULL DEFAULT 0,
	ended_at      INTEGER NOT NULL DEFAULT 0,
	error         TEXT    NOT NULL DEFAULT '',
	owner         TEXT    NOT NULL DEFAULT '',
	lease_until   INTEGER NOT NULL DEFAULT 0,
	lease         INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX retry_jobs_queue ON retry_jobs (queue, seq);
CREATE INDEX retry_jobs_job ON retry_jobs (queue, id);

-- One row: the settings, once somebody saved any.
CREATE TABLE settings (
	id    INTEGER PRIMARY KEY CHECK (id = 1),
	value TEXT NOT NULL
) STRICT;

CREATE TABLE exports (
	id          TEXT    PRIMARY KEY,
	queue       TEXT    NOT NULL,
	state       TEXT    NOT NULL,
	record      TEXT    NOT NULL,
	owner       TEXT    NOT NULL DEFAULT '',
	lease_until INTEGER NOT NULL DEFAULT 0,
	lease       INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX exports_queue ON exports (queue, id);

CREATE TABLE audit (
	id             INTEGER PRIMARY KEY AUTOINCREMENT,
	at             INTEGER NOT NULL,
	actor          TEXT    NOT NULL,
	action         TEXT    NOT NULL,
	queue          TEXT    NOT NULL,
	target         TEXT    NOT NULL,
	correlation_id TEXT    NOT NULL,
	count          INTEGER NOT NULL,
	outcome        TEXT    NOT NULL,
	detail         TEXT    NOT NULL
) STRICT;
CREATE INDEX audit_event ON audit (correlation_id, id);
`}

// Errors of Open. They come wrapped with the path and what to do.
var (
	// ErrForeign is returned for an SQLite database that is not this library's.
	ErrForeign = errors.New("the file is an SQLite database of another program")
	// ErrNewer is returned for a database whose schema is newer than this version of the library.
	ErrNewer = errors.New("the database was written by a newer version of this library")
	// ErrDamaged is returned for a file that is no database, or a damaged one.
	ErrDamaged = errors.New("the file is not an SQLite database, or it is damaged")
)

// migrate brings the database to the present schema within one transaction. It changes nothing in a database that is
// foreign or newer.
func migrate(ctx context.Context, db *sql.DB) (err error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ignoreDone(tx.Rollback())) }()
	version, err := schemaVersion(ctx, tx)
	if err != nil || version == len(migrations) {
		return err
	}
	for _, statements := range migrations[version:] {
		if _, err := tx.ExecContext(ctx, statements); err != nil {
			return fmt.Errorf("migrate the schema: %w", err)
		}
	}
	stamp := fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", applicationID, len(migrations))
	if _, err := tx.ExecContext(ctx, stamp); err != nil {
		return fmt.Errorf("stamp the schema: %w", err)
	}
	return tx.Commit()
}

func ignoreDone(err error) error {
	if errors.Is(err, sql.ErrTxDone) {
		return nil
	}
	return err
}

// schemaVersion returns the version of the database's schema, 0 for an empty one.
func schemaVersion(ctx context.Context, tx *sql.Tx) (int, error) {
	var application, version, tables int
	for pragma, into := range map[string]*int{
		"PRAGMA application_id":              &application,
		"PRAGMA user_version":                &version,
		"SELECT count(*) FROM sqlite_schema": &tables,
	} {
		if err := tx.QueryRowContext(ctx, pragma).Scan(into); err != nil {
			return 0, err
		}
	}
	switch {
	case application == 0 && version == 0 && tables == 0:
		return 0, nil
	case application != applicationID:
		return 0, ErrForeign
	case version > len(migrations):
		return 0, fmt.Errorf("%w: schema version %d, this one knows up to %d", ErrNewer, version, len(migrations))
	}
	return version, nil
}
