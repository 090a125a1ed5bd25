package mysql

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/backends/internal/sqlstore"
)

func TestExplain(t *testing.T) {
	t.Parallel()
	answer := func(number uint16) error {
		return fmt.Errorf("wrapped: %w", &mysql.MySQLError{Number: number, Message: "m"})
	}
	for what, c := range map[string]struct {
		err  error
		kind error
	}{
		"duplicate":   {answer(1062), sqlstore.ErrDuplicate},
		"deadlock":    {answer(1213), sqlstore.ErrConflict},
		"lock wait":   {answer(1205), sqlstore.ErrUnavailable},
		"connections": {answer(1040), sqlstore.ErrUnavailable},
		"read-only":   {answer(1290), sqlstore.ErrUnavailable},
		"disk full":   {answer(1021), sqlstore.ErrUnavailable},
		"table":       {answer(1146), sqlstore.ErrNoTable},
		"shutdown":    {answer(1053), sqlstore.ErrBroken},
		"killed":      {answer(1927), sqlstore.ErrBroken},
		"dead":        {mysql.ErrInvalidConn, sqlstore.ErrBroken},
		"bad":         {driver.ErrBadConn, sqlstore.ErrBroken},
		"end":         {io.ErrUnexpectedEOF, sqlstore.ErrBroken},
		"read":        {&net.OpError{Op: "read", Err: errors.New("reset")}, sqlstore.ErrBroken},
		"dial":        {&net.OpError{Op: "dial", Err: errors.New("refused")}, sqlstore.ErrUnavailable},
		"cancelled":   {context.Canceled, sqlstore.ErrUnavailable},
	} {
		got := explain(c.err)
		require.ErrorIs(t, got, c.kind, what)
		require.ErrorIs(t, got, c.err, what)
		assert.Equal(t, errors.Is(c.kind, sqlstore.ErrBroken), errors.Is(got, sqlstore.ErrBroken), what)
		assert.Equal(t, errors.Is(c.kind, sqlstore.ErrUnavailable), errors.Is(got, sqlstore.ErrUnavailable), what)
	}
	require.NoError(t, explain(nil))
	for _, err := range []error{answer(1064), answer(1406), mysql.ErrPktTooLarge} {
		assert.Equal(t, err, explain(err), "the statement is at fault")
	}
}
