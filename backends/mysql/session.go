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

// errNoAutocommit is returned where a statement outside of a transaction would begin one that nobody ends.
var errNoAutocommit = errors.New("the connections must have autocommit on")

func readSession(t sqlstore.Tx) (s session, err error) {
	var autocommit int
	if err := sqlstore.One(t, []any{&s.packet, &autocommit}, `SELECT @@max_allowed_packet, @@autocommit`); err != nil {
		return s, fmt.Errorf("read the session's variables: %w", err)
	}
	if autocommit != 1 {
		return s, errNoAutocommit
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
