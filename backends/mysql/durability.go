package mysql

import (
	"fmt"

	"github.com/redrive-go/redrive/backends/internal/sqlstore"
)

// unsynced names the setting that has commits return before they are synced, if there is one. With 0 and 2 the log is synced
// about once a second; 3 is MariaDB's, and syncs at each commit as 1 does.
func unsynced(t sqlstore.Tx) (setting string, err error) {
	var flush int
	if err := sqlstore.One(t, []any{&flush}, `SELECT @@innodb_flush_log_at_trx_commit`); err != nil {
		return "", err
	}
	if flush == 0 || flush == 2 {
		return fmt.Sprintf("innodb_flush_log_at_trx_commit = %d", flush), nil
	}
	return "", nil
}
