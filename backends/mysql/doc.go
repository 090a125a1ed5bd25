// Package mysql keeps events, queues and dead letters in MySQL 8 or MariaDB 10.6, or newer, for one process or many
// replicas:
//
//	backend, err := mysql.New(ctx, db, nil) // a *sql.DB of the host's
//
// Replicas share the work: each message is claimed by one of them, in a short transaction that skips what others
// hold, and what a dead replica held is taken over when its lease runs out. Times are the server's, so neither the clocks of
// replicas nor time zones matter. Messages that another process publishes are found by polling.
//
// The host's own transactions can accept events and complete them: see asyncevents.Service.AcceptTx and CompleteTx, which
// take a *sql.Tx.
//
// Nothing depends on how the host's connections are set up, except that autocommit must be on: ids and texts are columns
// of bytes, which no collation compares and no character set converts, and times are numbers. Names of topics and DLQs and
// the ids of messages have at most 255 bytes, and a message must fit into the server's max_allowed_packet.
//
// The tables need SELECT, INSERT, UPDATE and DELETE; making and migrating them also CREATE and INDEX. Connections must have
// autocommit on and sql_safe_updates off, as they have by default.
//
// What was answered is on the disk if the server syncs what it commits, which is the default: with
// innodb_flush_log_at_trx_commit at 0 or 2, a crash can lose events that were accepted, and undo what was settled, of about a
// second. That is logged as a warning at the start.
//
// A transaction that stays open for long, such as a dump in a single transaction, keeps InnoDB from clearing away what was
// settled, and every claim reads past it: some 20,000 messages settled meanwhile make a claim take tens of milliseconds, and
// it gets worse with their number. Dump a replica rather than the server of a busy queue.
//
// Files: backend.go Open and New; source.go the host's pool; session.go how it is set up; durability.go how the server commits;
// failure.go the server's errors; schema.go the tables; dialect.go, publishing.go and queue.go the statements; rows.go those of
// many rows; inserter.go those of publishing for others to run; estimate.go large counts; patience.go how long intake waits for locks.
package mysql
