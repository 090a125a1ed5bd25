package mysql

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/backends/internal/sqlstore"
)

// listening is a Tx that takes every statement, of a server with small packets.
type listening struct {
	packet int
	rows   []int // how many each statement had
	bytes  []int // of its values
}

// Exec implements sqlstore.Tx.
func (l *listening) Exec(query string, args ...any) (int64, error) {
	rows := strings.Count(query, "(?")
	size := 0
	for _, arg := range args {
		size += length(arg)
	}
	l.rows, l.bytes = append(l.rows, rows), append(l.bytes, size)
	return int64(rows), nil
}

// Query implements sqlstore.Tx.
func (l *listening) Query(scan func(sqlstore.Scanner) error, _ string, _ ...any) error {
	return scan(variables{l.packet, 1, 0})
}

// variables is a row of the session's.
type variables [3]int

// Scan implements sqlstore.Scanner.
func (s variables) Scan(dest ...any) error {
	for i := range dest {
		*dest[i].(*int) = s[i]
	}
	return nil
}

func outgoing(size int) sqlstore.Outgoing {
	return sqlstore.Outgoing{Topic: "t", UUID: "1", Metadata: "{}", Payload: bytes.Repeat([]byte("x"), size)}
}

func TestStatementsAreSplit(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		packet int
		sizes  []int
		want   []int
	}{
		"few":         {16 << 20, make([]int, 7), []int{7}},
		"many":        {16 << 20, make([]int, 2500), []int{1000, 1000, 500}},
		"large":       {16 << 20, []int{1 << 20, 1 << 20, 1 << 20, 1 << 20, 10}, []int{3, 2}},
		"alone":       {16 << 20, []int{10, 15 << 20, 10}, []int{1, 1, 1}},
		"small boxes": {1 << 20, []int{200_000, 200_000, 10}, []int{1, 2}},
	} {
		l := &listening{packet: c.packet}
		messages := make([]sqlstore.Outgoing, len(c.sizes))
		for i, size := range c.sizes {
			messages[i] = outgoing(size)
		}
		require.NoError(t, (&dialect{}).Publish(l, messages), what)
		assert.Equal(t, c.want, l.rows, what)
		for i := range l.bytes {
			assert.True(t, l.bytes[i] <= c.packet/4 || l.rows[i] == 1, what)
		}
	}
}

func TestRowsThatDoNotFit(t *testing.T) {
	t.Parallel()
	l := &listening{packet: 1 << 20}
	err := (&dialect{}).Publish(l, []sqlstore.Outgoing{outgoing(2 << 20)})
	require.ErrorContains(t, err, "max_allowed_packet is 1048576")
	long := outgoing(1)
	long.UUID = strings.Repeat("x", 256)
	err = (&dialect{}).Publish(l, []sqlstore.Outgoing{long})
	require.ErrorContains(t, err, "uuid is too long: 256 bytes, at most 255")
	assert.Empty(t, l.rows)
}
