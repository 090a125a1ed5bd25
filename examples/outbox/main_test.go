package main

import (
	"bytes"
	"log/slog"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/internal/testserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStory(t *testing.T) {
	t.Parallel()
	dsn := testserver.PostgresSchemaDSN(t)
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), dsn, &out, slog.New(slog.DiscardHandler)))
	assert.Equal(t, `order 1, a book: order and event are committed
order 2, a lamp: order and event are rolled back
order 3, a chair: committed; its processor crashes before its commit
order 4, a table: committed; its processor crashes after its commit

ORDER   ROWS   EVENT       ATTEMPTS   BOOKINGS
1       1      processed   1          1
2       0      none        0          0
3       1      processed   2          1
4       1      processed   1          1
`, out.String())

	out.Reset()
	require.NoError(t, run(t.Context(), dsn, &out, slog.New(slog.DiscardHandler)), "a second time, on the same tables")
	assert.Contains(t, out.String(), "8       1      processed   1          1\n")
	conn, err := pgx.Connect(t.Context(), dsn)
	require.NoError(t, err)
	defer func() { assert.NoError(t, conn.Close(t.Context())) }()
	var bookings, cents int
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT count(*), sum(cents) FROM outbox_bookings`).Scan(&bookings, &cents))
	assert.Equal(t, 6, bookings)
	assert.Equal(t, 2*(1200+8900+25000), cents)
}

// While all processors and counters are at work, the backend goes on.
func TestPoolHasRoom(t *testing.T) {
	t.Parallel()
	s, err := openShop(t.Context(), testserver.PostgresSchemaDSN(t), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	defer func() { assert.NoError(t, s.close()) }()
	for range processors + counters {
		conn, err := s.pool.Acquire(t.Context())
		require.NoError(t, err)
		defer conn.Release()
	}
	_, err = s.service.Accept(t.Context(), asyncevents.Submission{Body: []byte(`{}`)})
	require.NoError(t, err)
	require.NoError(t, s.service.Ping(t.Context()))
}

func TestWithoutDatabase(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.ErrorIs(t, run(t.Context(), "", &out, slog.New(slog.DiscardHandler)), errNoDSN)
	require.ErrorContains(t, run(t.Context(), "postgres://127.0.0.1:1/none", &out, slog.New(slog.DiscardHandler)),
		"make the tables")
	assert.Empty(t, out.String())
}
