package main

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Three replicas share a store, and one of them is killed again and again: the others take over what it held within the
// lease, nothing is lost, and only what it held runs twice.
func TestReplicasKilled(t *testing.T) {
	onEachStore(t, func(t *testing.T, store []string) {
		const lease = 2 * time.Second
		events, kills := long(1_000, 10_000), long(2, 20)
		ledgerPath := filepath.Join(t.TempDir(), "ledger")
		args := append(store, "-ledger", ledgerPath, "-concurrency", strconv.Itoa(crashConcurrency), "-lease", lease.String())
		var replicas [3]*process
		var s senders
		for i := range replicas {
			replicas[i] = launch(t, args...)
			s.serves(i, replicas[i])
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		s.start(ctx, events, 12)
		for _, moment := range killMoments(events, kills) {
			eventually(t, func() bool { return s.accepted.Load() >= moment }, "only %d accepted", s.accepted.Load())
			i := rand.IntN(len(replicas))
			replicas[i].kill(t)
			replicas[i] = launch(t, args...)
			s.serves(i, replicas[i])
		}
		s.running.Wait()
		require.EqualValues(t, events, s.accepted.Load())
		accepted := time.Now()
		dead := replicas[0].awaitEnds(t, events)
		took := time.Since(accepted)
		assert.Less(t, took, lease+30*time.Second)
		doubled := assertRan(t, readLedger(t, ledgerPath), events, dead)
		assert.LessOrEqual(t, doubled, kills*crashConcurrency)
		t.Logf("%d events, %d kills: done after %v, %d runs doubled, %d dead letters", events, kills, took, doubled, len(dead))
		for _, p := range replicas {
			p.signal(t, termination)
			assert.Zero(t, p.wait(t), p.stderr)
		}
	})
}
