package postgres

import "github.com/redrive-go/redrive/backends/internal/sqlstore"

// spread has a connection ask the system to write the pages that it hands over, every so many bytes, for the rest of a
// transaction. By default they gather in memory until a checkpoint syncs their files: after a retry job that was hundreds of
// megabytes at once, and all commits waited behind them on the disk.
const spread = `SELECT set_config('backend_flush_after', '256kB', true)`

// relax has the commit of a transaction not wait until the log is on the disk. See
// https://www.postgresql.org/docs/current/wal-async-commit.html: what was committed before what a crash left is there as well.
const relax = `SET LOCAL synchronous_commit = off`

// Relax implements sqlstore.Relaxing.
func (d *dialect) Relax(t sqlstore.Tx) error {
	_, err := t.Exec(relax)
	return err
}

// Spread implements sqlstore.Spreading.
func (d *dialect) Spread(t sqlstore.Tx) error {
	_, err := t.Exec(spread)
	return err
}
