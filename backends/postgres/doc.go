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
// where the schema is to be made. Behind a transaction pooler that knows no prepared statements, such as pgbouncer before
// 1.21, the DSN needs default_query_exec_mode=exec.
//
// Files: backend.go Open and New; source.go the host's pool; tx.go statements and errors; schema.go the tables; dialect.go,
// publishing.go and shortcuts.go the statements of stores; claiming.go, trail.go, scout.go, openclaims.go, inorder.go and queue.go
// those of the queue; estimate.go large counts; channel.go, notifier.go, listener.go and hearing.go the
// wake-up of other processes.
package postgres
