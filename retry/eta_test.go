package retry_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/retry"
)

func TestETA(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		now := time.Now().UTC()
		minute := retry.Settings{BatchSize: 100, CooldownMinutes: 1}
		tests := map[string]struct {
			settings retry.Settings
			job      retry.Job
			want     time.Duration // from now; 0 for unknown
		}{
			"ended":    {minute, retry.Job{State: retry.StateCompleted, Total: 1000}, 0},
			"stopping": {minute, retry.Job{State: retry.StateStopping, Total: 1000}, 0},
			"nothing to go by": {retry.Settings{BatchSize: 100},
				retry.Job{State: retry.StateRunning, StartedAt: now, Total: 1000}, 0},
			"just begun: nine cooldowns": {minute,
				retry.Job{State: retry.StateRunning, StartedAt: now, Total: 1000}, 9 * time.Minute},
			"in mid-batch, 0.1 s an entry": {minute,
				retry.Job{State: retry.StateRunning, StartedAt: now.Add(-5 * time.Second), Total: 200, Moved: 50, BatchMoved: 50},
				time.Minute + 15*time.Second},
			"cooling down": {minute, retry.Job{State: retry.StateCoolingDown, StartedAt: now.Add(-40 * time.Second), Total: 300,
				Moved: 100, Batches: 1, NextBatchAt: now.Add(30 * time.Second)}, 30*time.Second + time.Minute + 20*time.Second},
			"without cooldown, at the pace so far": {retry.Settings{BatchSize: 100},
				retry.Job{State: retry.StateRunning, StartedAt: now.Add(-time.Minute), Total: 400, Moved: 100, Batches: 1},
				3 * time.Minute},
			"beyond a lifetime": {retry.Settings{BatchSize: 1, CooldownMinutes: 1440},
				retry.Job{State: retry.StateRunning, StartedAt: now, Total: 10_000_000}, 0},
		}
		for name, test := range tests {
			f := newFake(test.settings, 0)
			r, err := retry.NewRunner(f, f, []string{"events"}, nil)
			require.NoError(t, err)
			got, err := r.ETA(t.Context(), test.job)
			require.NoError(t, err)
			if test.want == 0 {
				assert.Zero(t, got, name)
				continue
			}
			assert.Equal(t, test.want, got.Sub(now), name)
		}
	})
}
