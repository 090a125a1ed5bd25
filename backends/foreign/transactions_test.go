package foreign

import (
	"context"
	"log/slog"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/postgres"
	"github.com/redrive-go/redrive/internal/testserver"
)

// The host's transactions accept events and complete those that the transport carried, as with the store alone.
func TestTransactions(t *testing.T) {
	t.Parallel()
	pool, err := pgxpool.New(t.Context(), testserver.PostgresSchemaDSN(t))
	require.NoError(t, err)
	defer pool.Close()
	store, err := postgres.New(t.Context(), pool, nil)
	require.NoError(t, err)
	b := newBroker()
	backend := open(t, b, store, config(b))
	defer func() { assert.NoError(t, backend.Close()) }()

	var service *asyncevents.Service
	process := func(ctx context.Context, event asyncevents.Event) (any, error) {
		return nil, pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error { return service.CompleteTx(ctx, tx, event, "done") })
	}
	service, err = asyncevents.New(backend, process, &asyncevents.Config{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- service.Run(ctx) }()

	submission := asyncevents.Submission{Body: []byte(`{}`)}
	carried, err := service.Accept(t.Context(), submission)
	require.NoError(t, err)
	var kept asyncevents.Accepted
	require.NoError(t, pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) (err error) {
		kept, err = service.AcceptTx(t.Context(), tx, submission)
		return err
	}))
	for _, accepted := range []asyncevents.Accepted{carried, kept} {
		require.Eventually(t, func() bool {
			record, err := service.Status(t.Context(), accepted.CorrelationID)
			return err == nil && record.Status == asyncevents.StatusProcessed && record.Attempts == 1
		}, patience, glance)
	}
	assert.EqualValues(t, 1, b.deliveries.Load(), "the other one did not travel")
	stop()
	require.NoError(t, <-ended)
}
