// Package sqlstore is what the SQL backends share: the stores of events, dead letters, retry jobs, exports and audit, and
// the storing side of the queue.
//
// A backend brings a Database, which runs transactions, and a Dialect, which holds the statements that databases say
// differently or that one of them can do much faster. All other statements stand here, once, in SQL that every database
// understands but for some words in braces, which Words replaces: {dead_letters} is the table of that name, {now} the
// database's clock, {lock} what a SELECT ends with to hold its rows.
//
// What is counted or changed under a condition is read first, under a lock, and decided in Go: databases agree on
// that, and not on how many rows an UPDATE changed.
//
// Files: database.go transactions; dialect.go what a database brings; words.go the words in braces; backend.go the assembly;
// queue.go, outgoing.go, claimed.go the queue; events.go, settling.go, transactions.go, deadletters.go, redrive.go,
// dlqs.go, jobs.go, settings.go, exports.go, audit.go one store each or part of one. For database servers: server.go the
// Database on a pool, outage.go that it is away at the start, durability.go whether it syncs; source.go the pool,
// stdsource.go and std.go that of database/sql; names.go and migrator.go the tables.
package sqlstore
