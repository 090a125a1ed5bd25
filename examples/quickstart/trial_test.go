package main

import (
	"context"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/retry"
)

const (
	// crashConcurrency is how many events are in flight at most, and so how many runs a kill may double.
	crashConcurrency = 20
	// trialTime bounds the sending of a trial.
	trialTime = 10 * time.Minute
)

// trial is servers that trouble is made for while events are sent to them.
type trial struct {
	senders
	args    []string
	ledger  string
	servers []*process
}

// launchTrial starts servers on one store.
func launchTrial(t *testing.T, servers int, store []string, args ...string) *trial {
	t.Helper()
	r := &trial{ledger: filepath.Join(t.TempDir(), "ledger"), servers: make([]*process, servers)}
	r.args = slices.Concat(store, args, []string{"-ledger", r.ledger, "-concurrency", strconv.Itoa(crashConcurrency)})
	for i := range r.servers {
		r.launch(t, i)
	}
	return r
}

// launch starts the server of that number, also in the place of one that has ended.
func (r *trial) launch(t *testing.T, number int) {
	t.Helper()
	r.servers[number] = launch(t, r.args...)
	r.serves(number, r.servers[number])
}

// run sends events and makes trouble so many times meanwhile. When all events have been accepted and have ended, none is missing.
// It returns how many runs there were besides one for each, and after how long all had ended.
func (r *trial) run(t *testing.T, events, times int, trouble func()) (doubled int, took time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), trialTime)
	finish := r.start(ctx, events, 16)
	defer finish()
	defer cancel()
	ends := append(moments(events, times), events)
	r.feed(ends[0])
	for i, moment := range ends[:times] {
		r.feed(ends[i+1]) // there is load before and after, however long the trouble lasts
		eventually(t, func() bool { return r.accepted.Load() >= int64(moment) }, "only %d accepted", r.accepted.Load())
		trouble()
	}
	finish()
	require.EqualValues(t, events, r.accepted.Load())

	began := time.Now()
	dead := r.servers[0].awaitEnds(t, r.ids)
	took = time.Since(began)
	doubled = assertRan(t, readLedger(t, r.ledger), r.ids, dead)
	t.Logf("%v; %d times trouble: %d runs doubled, %d dead letters, done after %v", &r.senders, times, doubled, len(dead), took)
	for _, p := range r.servers {
		p.signal(t, termination)
		assert.Zero(t, p.wait(t), p.stderr)
	}
	return doubled, took
}

// moments are random, and say after how many accepted events there is trouble.
func moments(events, times int) []int {
	var moments []int
	for range times {
		moments = append(moments, rand.IntN(events-1)+1)
	}
	slices.Sort(moments)
	return moments
}

// awaitEnds waits until every event is processed; or in the DLQ, where one ends that kills have met five times. It
// returns those.
func (p *process) awaitEnds(t *testing.T, ids []string) (dead map[string]bool) {
	t.Helper()
	dead = map[string]bool{}
	for _, id := range ids {
		var seen sampleStatus
		eventually(t, func() bool {
			seen = p.status(t, id)
			return seen.settled()
		}, "%s does not end", id)
		if seen.Status != asyncevents.StatusProcessed {
			assert.Equal(t, asyncevents.StatusFailed, seen.Status, id)
			assert.GreaterOrEqual(t, seen.Attempts, retry.DefaultMaxAttempts, id)
			dead[id] = true
		}
	}
	depth, _ := p.queue(t, asyncevents.EventsQueue)
	assert.EqualValues(t, len(dead), depth)
	_, entries := p.do(t, http.MethodGet, managePath+"/api/queues/events/entries?limit=1000", "")
	assert.Equal(t, len(dead), strings.Count(entries, `"type":"lost"`))
	return dead
}

// assertRan asserts that every event ran to its end or is a dead letter, and returns how many runs there were besides.
func assertRan(t *testing.T, lines map[string][]string, ids []string, dead map[string]bool) (doubled int) {
	t.Helper()
	for _, id := range ids {
		assert.True(t, dead[id] || len(lines[id]) > 0, "%s never ran to its end", id)
	}
	return sumOf(lines) - len(lines)
}
