package amqp

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"

	"github.com/redrive-go/redrive/retry"
)

func TestStepUp(t *testing.T) {
	t.Parallel()
	for d, ms := range map[time.Duration]int64{
		1: 16, 16 * time.Millisecond: 16, 17 * time.Millisecond: 20, 1000 * time.Millisecond: 1024, 1025 * time.Millisecond: 1280,
		100 * 24 * time.Hour: 7 << 29,
	} {
		assert.Equal(t, ms, stepUp(d), d)
	}
	all := steps()
	assert.Less(t, len(all), 130)
	assert.EqualValues(t, 16, all[0])
	assert.EqualValues(t, 7<<29, all[len(all)-1])
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(1, int64(waitMost)).Draw(t, "wait"))
		step := time.Duration(stepUp(d)) * time.Millisecond
		assert.GreaterOrEqual(t, step, d, "a delay is a lower bound")
		assert.LessOrEqual(t, step, max(d+d/waitSteps+time.Millisecond, waitLeast*time.Millisecond))
		assert.Contains(t, all, stepUp(d))
	})
}

func TestTurns(t *testing.T) {
	t.Parallel()
	all := steps()
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(1, int64(2*waitMost)).Draw(t, "wait"))
		var waited time.Duration
		for n := 0; waited < d; n++ {
			ms := turn(d - waited)
			assert.Contains(t, all, ms)
			waited += time.Duration(ms) * time.Millisecond
			assert.Less(t, n, 20)
		}
		assert.LessOrEqual(t, waited, d+max(waitOnce/waitSteps, waitLeast*time.Millisecond)+time.Millisecond)
	})
}

func TestStepsOf(t *testing.T) {
	t.Parallel()
	assert.Equal(t, []int64{16}, stepsOf(retry.Fixed(12*time.Millisecond)))
	assert.Equal(t, []int64{1024, 1280, 4096, 5120}, stepsOf(retry.Policy{MaxAttempts: 3}))
	rapid.Check(t, func(t *rapid.T) {
		policy := retry.Policy{
			MaxAttempts:    rapid.IntRange(2, 8).Draw(t, "attempts"),
			InitialBackoff: time.Duration(rapid.Int64Range(1, int64(time.Minute)).Draw(t, "initial")),
			Jitter:         rapid.Float64Range(-1, 1).Draw(t, "jitter"),
		}
		all := stepsOf(policy)
		for attempt := 1; attempt < policy.MaxAttempts; attempt++ {
			assert.Contains(t, all, turn(policy.Backoff(attempt)))
		}
	})
}
