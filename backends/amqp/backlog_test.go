package amqp

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
)

// A message that goes from the store to the broker while both are counted is counted, at least once.
func TestBacklogCountsWhatMoves(t *testing.T) {
	t.Parallel()
	b := newSite(t).open(t)
	publish(t, b, "declares the queue")
	requireReady(t, b, 1)
	store := *b.store
	store.Backlog = func(context.Context, string) (asyncevents.Backlog, error) {
		publish(t, b, "was in the store when that was counted")
		requireReady(t, b, 2)
		return asyncevents.Backlog{Ready: 1}, nil
	}
	moving := backlogs{broker: b.broker, store: &store, waits: map[string]map[int64]struct{}{}}
	total, err := moving.count(t.Context(), topic)
	require.NoError(t, err)
	assert.Equal(t, asyncevents.Backlog{Ready: 3}, total)
}
