package backendtest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/dlq"
)

var forgetCases = []testCase{
	{"what is done is forgotten in its time", forgetDone},
	{"what is not done stays", forgetNothingElse},
	{"what stands in a DLQ stays, erased or not", forgetNoDeadLetter},
	{"many are forgotten in many steps", forgetMany},
}

// forgetAll goes through all records once, and returns how many were forgotten.
func (f *fixture) forgetAll(t *testing.T, kept time.Duration) (total int) {
	t.Helper()
	for after, steps := "", 0; ; steps++ {
		require.Less(t, steps, 100, "it comes to an end")
		next, forgotten, err := f.Events.Forget(t.Context(), kept, after)
		require.NoError(t, err)
		if total += forgotten; next == "" {
			return total
		}
		require.Greater(t, next, after)
		after = next
	}
}

// record has the store know an event whose outcome is a settlement, changed.
func (f *fixture) record(t *testing.T, id string, change func(*asyncevents.Settlement)) {
	t.Helper()
	_, err := f.Events.Accept(t.Context(), recordOnly(id, "{}"))
	require.NoError(t, err)
	s := processed(id)
	change(&s)
	require.NoError(t, f.Events.Settle(t.Context(), s))
}

func as(status asyncevents.Status) func(*asyncevents.Settlement) {
	return func(s *asyncevents.Settlement) { s.Status = status }
}

func forgetDone(t *testing.T, f *fixture) {
	f.record(t, "e-1", as(asyncevents.StatusProcessed))
	f.record(t, "e-2", as(asyncevents.StatusError))
	f.record(t, "e-3", func(s *asyncevents.Settlement) { s.Callback = asyncevents.CallbackPending })
	require.NoError(t, f.Events.Settle(t.Context(), asyncevents.Settlement{
		CorrelationID: "e-3", Queue: asyncevents.CallbacksQueue, Callback: asyncevents.CallbackDelivered, Attempts: 1,
	}))
	assert.Zero(t, f.forgetAll(t, time.Hour))
	assert.Equal(t, asyncevents.StatusProcessed, f.find(t, "e-1").Status)
	assert.Equal(t, 3, f.forgetAll(t, 0))
	for _, id := range []string{"e-1", "e-2", "e-3"} {
		_, err := f.Events.Find(t.Context(), id)
		require.ErrorIs(t, err, asyncevents.ErrNotFound)
	}
	f.accept(t, "e-1", "another body")
	assert.Equal(t, asyncevents.StatusQueued, f.find(t, "e-1").Status, "it is a new event")
}

func forgetNothingElse(t *testing.T, f *fixture) {
	f.accept(t, "queued", "{}")
	f.record(t, "tried", func(s *asyncevents.Settlement) {
		*s = asyncevents.Settlement{CorrelationID: s.CorrelationID, Queue: s.Queue, Attempts: 1, Again: &asyncevents.Again{After: time.Hour}}
	})
	f.record(t, "pending", func(s *asyncevents.Settlement) { s.Callback = asyncevents.CallbackPending })
	f.record(t, "retried", as(asyncevents.StatusFailed))
	dead := f.bury(t, asyncevents.EventsQueue, "retried")
	_, err := f.DeadLetters.Redrive(t.Context(), dlq.RedriveParams{
		Queue: asyncevents.EventsQueue, Selection: dlq.Selection{IDs: []int64{dead.ID}},
	})
	require.NoError(t, err)
	assert.Zero(t, f.forgetAll(t, 0))
	for id, status := range map[string]asyncevents.Status{
		"queued": asyncevents.StatusQueued, "tried": asyncevents.StatusQueued,
		"pending": asyncevents.StatusProcessed, "retried": asyncevents.StatusRetried,
	} {
		assert.Equal(t, status, f.find(t, id).Status)
	}
}

func forgetNoDeadLetter(t *testing.T, f *fixture) {
	f.record(t, "e-1", as(asyncevents.StatusFailed))
	dead := f.bury(t, asyncevents.EventsQueue, "e-1")
	assert.Zero(t, f.forgetAll(t, 0))
	f.transfer(t, asyncevents.EventsQueue, "erased:"+asyncevents.EventsQueue, dlq.Selection{IDs: []int64{dead.ID}})
	assert.Zero(t, f.forgetAll(t, 0), "it can be restored")
	assert.Equal(t, asyncevents.StatusFailed, f.find(t, "e-1").Status)
	f.record(t, "e-2", as(asyncevents.StatusFailed)) // erased for good
	assert.Equal(t, 1, f.forgetAll(t, 0))
}

func forgetMany(t *testing.T, f *fixture) {
	const n = 2500
	batch := make([]asyncevents.Acceptance, 0, asyncevents.MaxBatch)
	for i := range n {
		if batch = append(batch, recordOnly(fmt.Sprintf("e-%d", i), "{}")); len(batch) == cap(batch) || i == n-1 {
			_, err := f.Events.AcceptAll(t.Context(), batch)
			require.NoError(t, err)
			batch = batch[:0]
		}
	}
	const done = 10 // of which the last is behind all others
	for i := range done {
		require.NoError(t, f.Events.Settle(t.Context(), processed(fmt.Sprintf("e-%d", i*(n-1)/(done-1)))))
	}
	assert.Equal(t, done, f.forgetAll(t, 0))
	assert.Zero(t, f.forgetAll(t, 0))
	assert.Equal(t, asyncevents.StatusQueued, f.find(t, "e-1").Status)
}
