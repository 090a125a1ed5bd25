// Package postgres keeps events, queues and dead letters in PostgreSQL, 12 or newer, for one process or many replicas:
//
//	backend, err := postgres.New(ctx, pool, nil) // a *pgxpool.Pool of the host's
//
// Replicas share the work: each message is claimed by one of them, in a short transaction that skips what others
// hold, and what a dead replica held is taken over when its lease runs out. Times are the server's, so the clocks of
// replicas do not matter. Messages that another process publishes are heard of within milliseconds through
// LISTEN/NOTIFY, and by polling where notifications do not come through.
//
// The host's own transactions can accept events and complete them: see asyncevents.Service.AcceptTx and CompleteTx, which
// take a pgx.Tx or a *sql.Tx.
//
// The tables need SELECT, INSERT, UPDATE and DELETE; making and migrating them also CREATE on the schema, and on the database
// where the schema is to be made.
//
// What was answered is on the disk if the server syncs what it commits, which is PostgreSQL's default: with synchronous_commit
// off, for the role, the database or the pool's connections, or fsync off, a crash of the server can lose events that were
// accepted and undo what was settled. That is logged as a warning at the start. The host's own transactions are as durable as
// the host has them.
//
// Behind pgbouncer in transaction mode all works but notifications, which polling makes up for. It must keep track of prepared
// statements, which are pgx's default: from version 1.21 on it does with max_prepared_statements above 0, from 1.24 on by
// itself. With an older one, or without that, the host sets default_query_exec_mode, in the DSN or in the pool's configuration,
// to exec, cache_describe or simple_protocol; describe_exec needs two statements on one connection, and fails. pgbouncer
// takes no search_path from a DSN: the schema is named by Config.Schema, or by the search_path of the role. In statement mode
// there are no transactions, and so nothing works.
//
// Files: backend.go Open and New; source.go the host's pool; durability.go how it commits; tx.go statements and errors;
// schema.go the tables; dialect.go, publishing.go and shortcuts.go the statements of stores; claiming.go, trail.go, scout.go,
// openclaims.go, inorder.go and queue.go those of the queue; estimate.go large counts; channel.go, notifier.go, telling.go,
// listener.go and hearing.go the wake-up of other processes.
package postgres
