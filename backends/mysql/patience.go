package mysql

import "github.com/redrive-go/redrive/backends/internal/sqlstore"

// What the session waits is remembered in it until it does so again: a connection that could not be told is put right the
// next time.
const (
	waitBriefly = `
		SET @redrive_wait = CAST(coalesce(@redrive_wait, @@SESSION.innodb_lock_wait_timeout) AS UNSIGNED),
			SESSION innodb_lock_wait_timeout = 1`
	waitAsBefore = `
		SET SESSION innodb_lock_wait_timeout = CAST(@redrive_wait AS UNSIGNED), @redrive_wait = NULL`
)

// WaitBriefly implements sqlstore.Waiting. MySQL does not notice that a client is gone while it waits for a lock.
func (d *dialect) WaitBriefly(t sqlstore.Tx, work func() error) error {
	if _, err := t.Exec(waitBriefly); err != nil {
		return err
	}
	err := work()
	if _, failure := t.Exec(waitAsBefore); err == nil {
		err = failure
	}
	return err
}
