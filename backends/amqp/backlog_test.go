package amqp

import (
	"context"
	"errors"
	"sync"
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
	move := sync.OnceFunc(func() {
		publish(t, b, "was in the store when that was counted")
		requireReady(t, b, 2)
	})
	store.Backlog = func(context.Context, string) (asyncevents.Backlog, error) {
		move()
		return asyncevents.Backlog{Ready: 1}, nil
	}
	moving := backlogs{broker: b.broker, store: &store, waits: map[string]map[int64]struct{}{}}
	total, err := moving.look(t.Context(), topic)
	require.NoError(t, err)
	assert.Equal(t, asyncevents.Backlog{Ready: 3}, total)
}

func TestBacklogLeavesInTime(t *testing.T) {
	t.Parallel()
	b := newSite(t).open(t)
	publish(t, b, "x")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := (&backlogs{broker: b.broker, store: &asyncevents.Backend{}}).count(ctx, topic)
	require.ErrorIs(t, err, context.Canceled)
}

func TestTwice(t *testing.T) {
	t.Parallel()
	some, nothing := asyncevents.Backlog{Ready: 1}, asyncevents.Backlog{}
	type look struct {
		total asyncevents.Backlog
		err   error
	}
	failed := errors.New("away")
	for _, c := range []struct {
		name  string
		looks []look
	}{
		{"what is there is counted once", []look{{some, nil}}},
		{"what moved in between is found", []look{{nothing, nil}, {some, nil}}},
		{"nothing twice is nothing", []look{{nothing, nil}, {nothing, nil}}},
		{"who cannot look has not seen nothing", []look{{nothing, failed}}},
		{"nor the second time", []look{{nothing, nil}, {nothing, failed}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			looked := 0
			total, err := twice(func() (asyncevents.Backlog, error) {
				looked++
				return c.looks[looked-1].total, c.looks[looked-1].err
			})
			last := c.looks[len(c.looks)-1]
			assert.Equal(t, last.err, err)
			assert.Equal(t, last.total, total)
			assert.Equal(t, len(c.looks), looked)
		})
	}
}
