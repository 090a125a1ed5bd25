package asyncevents_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/export"
	"github.com/redrive-go/redrive/retry"
)

// The clocks of replicas and server differ by ten minutes, either way: nothing comes early, nothing is stolen, nothing is
// stuck.
func TestClocksDiffer(t *testing.T) {
	for _, skew := range []time.Duration{10 * time.Minute, -10 * time.Minute} {
		t.Run(skew.String(), func(t *testing.T) {
			onEachServer(t, func(t *testing.T, d *database) {
				open := d.skewed(t, skew)
				skewIsSeen(t, open(t), skew)
				t.Run("backoff", func(t *testing.T) { backsOff(t, open(t)) })
				t.Run("lease", func(t *testing.T) { keepsLeases(t, open(t), open(t)) })
				t.Run("lost", func(t *testing.T) { takesOver(t, open) })
				t.Run("jobs", func(t *testing.T) { runsJobs(t, open(t), open(t)) })
			})
		})
	}
}

// skewIsSeen asserts that the library has its time from the server.
func skewIsSeen(t *testing.T, b *asyncevents.Backend, skew time.Duration) {
	t.Helper()
	require.NoError(t, b.Audit.Append(t.Context(), asyncevents.AuditRow{Actor: "me", Action: "look"}))
	rows, err := b.Audit.List(t.Context(), asyncevents.AuditQuery{Limit: 1})
	require.NoError(t, err)
	require.InDelta(t, skew.Seconds(), time.Until(rows[0].At).Seconds(), 30)
}

// backsOff fails events five times: neither early nor late.
func backsOff(t *testing.T, b *asyncevents.Backend) {
	const backoff = 300 * time.Millisecond
	var seen starts
	s, stop := run(t, b, func(_ context.Context, e asyncevents.Event) (any, error) {
		return nil, fmt.Errorf("failure %d", seen.add(e.ID))
	}, func(c *asyncevents.Config) { c.Policy = retry.Fixed(backoff) })
	acceptMany(t, s, "backoff", 20, bare)
	for _, e := range awaitDead(t, s, asyncevents.EventsQueue, 20) {
		assertGaps(t, seen.of(e.CorrelationID), backoff, backoff+5*time.Second)
		require.Len(t, e.Attempts, 5)
	}
	_, err := s.DeadLetters().Erase(t.Context(), asyncevents.EventsQueue, dlq.Filter{}, 20)
	require.NoError(t, err)
	require.NoError(t, stop())
}

// keepsLeases has handlers take longer than their lease, on two replicas: each runs once.
func keepsLeases(t *testing.T, first, second *asyncevents.Backend) {
	lease := time.Duration(slowdown) * 500 * time.Millisecond
	var seen starts
	short := func(c *asyncevents.Config) { c.Lease, c.PollInterval = lease, 50*time.Millisecond }
	s, stop := run(t, first, working(&seen, 5*lease/2), short)
	_, stopOther := run(t, second, working(&seen, 5*lease/2), short)
	ids := acceptMany(t, s, "lease", 20, bare)
	awaitTally(t, s, ids, map[asyncevents.Status]int{asyncevents.StatusProcessed: 20})
	assert.Equal(t, map[int]int{1: 20}, seen.perEvent())
	require.NoError(t, stop())
	require.NoError(t, stopOther())
}

// takesOver finds an event whose replica died within seconds, and not before its lease ran out.
func takesOver(t *testing.T, open place) {
	var seen starts
	s, err := asyncevents.New(open(t), working(&seen, 0), quick(t, nil))
	require.NoError(t, err)
	acceptMany(t, s, "lost", 1, bare)
	vanish(t, open(t))
	vanished := time.Now()
	s, stop := run(t, open(t), working(&seen, 0), func(c *asyncevents.Config) { c.Lease = 2 * time.Second })
	assert.Equal(t, 2, awaitStatus(t, s, "lost0", asyncevents.StatusProcessed).Attempts)
	assert.Less(t, time.Since(vanished), 10*time.Second)
	require.NoError(t, stop())
}

// runsJobs exports and retries a DLQ on two replicas.
func runsJobs(t *testing.T, first, second *asyncevents.Backend) {
	var f failing
	var files export.Storage // either of them may write the export
	s, stop := run(t, first, f.process, func(c *asyncevents.Config) { files = c.Exports })
	_, stopOther := run(t, second, f.process, func(c *asyncevents.Config) { c.Exports = files })
	ids := acceptMany(t, s, "jobs", 100, func(int) string { return `,"fail":5` })
	awaitDead(t, s, asyncevents.EventsQueue, 100)
	require.Equal(t, 100, exportEvents(t, s).Count)
	batches(t, s, 30)
	_, err := s.RetryJobs().Start(t.Context(), asyncevents.EventsQueue, "test", retry.Options{})
	require.NoError(t, err)
	assert.EqualValues(t, 100, awaitJob(t, s, retry.StateCompleted).Moved)
	awaitTally(t, s, ids, map[asyncevents.Status]int{asyncevents.StatusProcessed: 100})
	require.NoError(t, stop())
	require.NoError(t, stopOther())
}
