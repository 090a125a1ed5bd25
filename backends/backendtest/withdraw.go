package backendtest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/dlq"
)

var withdrawCases = []testCase{
	{"a queued event is gone", withdrawQueued},
	{"an event that was tried stays", withdrawTried},
	{"an event that is done stays", withdrawDone},
	{"an event that was moved back stays", withdrawRetried},
	{"its message is not touched", withdrawMessage},
	{"with an ended context all or nothing", withdrawEndedContext},
}

func withdrawQueued(t *testing.T, f *fixture) {
	for _, id := range []string{"e-1", "e-2"} {
		_, err := f.Events.Accept(t.Context(), recordOnly(id, "first"))
		require.NoError(t, err)
	}
	for range 2 { // the second time it is unknown
		require.NoError(t, f.Events.Withdraw(t.Context(), "e-1"))
		_, err := f.Events.Find(t.Context(), "e-1")
		require.ErrorIs(t, err, asyncevents.ErrNotFound)
	}
	assert.Equal(t, asyncevents.StatusQueued, f.find(t, "e-2").Status, "the others stay")
	f.accept(t, "e-1", "another")
	f.requireBacklog(t, topic, asyncevents.Backlog{Ready: 1})
}

func withdrawTried(t *testing.T, f *fixture) {
	_, err := f.Events.Accept(t.Context(), recordOnly("e-1", "{}"))
	require.NoError(t, err)
	require.NoError(t, f.Events.Settle(t.Context(), asyncevents.Settlement{
		CorrelationID: "e-1", Queue: asyncevents.EventsQueue, Attempts: 1, Again: &asyncevents.Again{After: time.Hour},
	}))
	f.requireStays(t, "e-1")
}

// withdrawDone has no attempts counted: the status alone must tell.
func withdrawDone(t *testing.T, f *fixture) {
	for _, status := range []asyncevents.Status{
		asyncevents.StatusProcessed, asyncevents.StatusError, asyncevents.StatusFailed,
	} {
		id := string(status)
		_, err := f.Events.Accept(t.Context(), recordOnly(id, "{}"))
		require.NoError(t, err)
		s := processed(id)
		s.Status, s.Attempts = status, 0
		require.NoError(t, f.Events.Settle(t.Context(), s))
		f.requireStays(t, id)
	}
}

func withdrawRetried(t *testing.T, f *fixture) {
	_, err := f.Events.Accept(t.Context(), recordOnly("e-1", "{}"))
	require.NoError(t, err)
	dead := f.bury(t, asyncevents.EventsQueue, "e-1")
	_, err = f.DeadLetters.Redrive(t.Context(), dlq.RedriveParams{Queue: asyncevents.EventsQueue, Selection: dlq.Selection{IDs: []int64{dead.ID}}})
	require.NoError(t, err)
	require.Equal(t, asyncevents.StatusRetried, f.find(t, "e-1").Status)
	f.requireStays(t, "e-1")
}

// requireStays requires that withdrawing an event changes nothing.
func (f *fixture) requireStays(t *testing.T, id string) {
	t.Helper()
	before := f.find(t, id)
	require.NoError(t, f.Events.Withdraw(t.Context(), id))
	assert.Equal(t, before, f.find(t, id))
}

func withdrawMessage(t *testing.T, f *fixture) {
	msg := f.deliver(t, "e-1")
	require.NoError(t, f.Events.Withdraw(t.Context(), "e-1"))
	_, err := f.Events.Find(t.Context(), "e-1")
	require.ErrorIs(t, err, asyncevents.ErrNotFound)
	require.NoError(t, f.Events.Settle(settling(msg), processed("e-1")), "the claim stands without a record")
	f.requireEmpty(t, topic)
}

// withdrawEndedContext accepts both answers that a store may give, but nothing in between.
func withdrawEndedContext(t *testing.T, f *fixture) {
	_, err := f.Events.Accept(t.Context(), recordOnly("e-1", "{}"))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.Events.Withdraw(ctx, "e-1"); err != nil {
		assert.Equal(t, asyncevents.StatusQueued, f.find(t, "e-1").Status)
		require.NoError(t, f.Events.Withdraw(t.Context(), "e-1"))
	}
	_, err = f.Events.Find(t.Context(), "e-1")
	require.ErrorIs(t, err, asyncevents.ErrNotFound)
}
