package postgres

import "github.com/redrive-go/redrive/backends/internal/sqlstore"

// synced are the settings on which it depends whether a commit returns after it was written to the disk. With other values of
// synchronous_commit than off it is, at least on this server.
const synced = `SELECT current_setting('synchronous_commit'), current_setting('fsync')`

// unsynced names the setting that has commits return before they are synced, if there is one.
func unsynced(t sqlstore.Tx) (setting string, err error) {
	var commit, fsync string
	err = sqlstore.One(t, []any{&commit, &fsync}, synced)
	switch {
	case err != nil:
		return "", err
	case commit == "off":
		return "synchronous_commit = off", nil
	case fsync == "off":
		return "fsync = off", nil
	}
	return "", nil
}
