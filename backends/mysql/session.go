package mysql

import (
	"errors"
	"fmt"

	"github.com/redrive-go/redrive/backends/internal/sqlstore"
)

// session is what has to be known of the host's connections.
type session struct {
	packet int // the largest packet that the server takes, in bytes
}

var (
	// errNoAutocommit is returned where a statement outside of a transaction would begin one that nobody ends.
	errNoAutocommit = errors.New("the connections must have autocommit on")
	// errSafeUpdates is returned where the server would refuse to delete messages by joining a list of their ids.
	errSafeUpdates = errors.New("the connections must have sql_safe_updates off: it is meant for people who type")
)

func readSession(t sqlstore.Tx) (s session, err error) {
	var autocommit, safe int
	const variables = `SELECT @@max_allowed_packet, @@autocommit, @@sql_safe_updates`
	if err := sqlstore.One(t, []any{&s.packet, &autocommit, &safe}, variables); err != nil {
		return s, fmt.Errorf("read the session's variables: %w", err)
	}
	switch {
	case autocommit != 1:
		return s, errNoAutocommit
	case safe != 0:
		return s, errSafeUpdates
	}
	return s, nil
}

// settings returns the session's, which are read once.
func (d *dialect) settings(t sqlstore.Tx) (*session, error) {
	if s := d.session.Load(); s != nil {
		return s, nil
	}
	s, err := readSession(t)
	if err != nil {
		return nil, err
	}
	d.session.Store(&s)
	return &s, nil
}
