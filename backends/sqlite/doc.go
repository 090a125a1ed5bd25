// Package sqlite keeps events, queues and dead letters in one SQLite file, embedded, with no server: the default
// backend.
//
//	backend, err := sqlite.Open(ctx, "events.db", nil)
//
// The file is in WAL mode with synchronous=FULL: what was answered is on the disk. One connection writes, and everything
// that waits to be written at the same time shares one transaction and one sync (group commit); readers work on
// consistent views beside it. Several processes of one machine may share a file; network file systems cannot
// carry it, see https://www.sqlite.org/wal.html.
//
// The driver is modernc.org/sqlite, without cgo.
//
// Files: database.go the connections and the shared commit; schema.go the tables; tx.go one transaction; counters.go
// ids; messages.go, queue.go, claiming.go, settling.go the queue; events.go, deadletters.go, jobs.go, exports.go,
// audit.go one store each.
package sqlite
