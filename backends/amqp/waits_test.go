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
		1: 1, time.Millisecond: 1, 1500 * time.Microsecond: 2, 15 * time.Millisecond: 15, 17 * time.Millisecond: 18,
		time.Second: 1024, 1200 * time.Millisecond: 1280, 100 * 24 * time.Hour: 1<<32 - 1,
	} {
		assert.Equal(t, ms, stepUp(d), d)
	}
	all := steps()
	assert.Less(t, len(all), 300)
	assert.EqualValues(t, 1, all[0])
	assert.EqualValues(t, 1<<32-1, all[len(all)-1])
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(1, int64(waitMost)).Draw(t, "wait"))
		step := time.Duration(stepUp(d)) * time.Millisecond
		assert.GreaterOrEqual(t, step, d, "a delay is a lower bound")
		assert.LessOrEqual(t, step, max(d+d/waitSteps, d+time.Millisecond))
		assert.Contains(t, all, stepUp(d))
	})
}

func TestStepsOf(t *testing.T) {
	t.Parallel()
	assert.Equal(t, []int64{12}, stepsOf(retry.Fixed(12*time.Millisecond)))
	assert.Equal(t, []int64{1024, 1152, 1280, 4096, 4608, 5120}, stepsOf(retry.Policy{MaxAttempts: 3}))
	rapid.Check(t, func(t *rapid.T) {
		policy := retry.Policy{
			MaxAttempts:    rapid.IntRange(2, 8).Draw(t, "attempts"),
			InitialBackoff: time.Duration(rapid.Int64Range(1, int64(time.Minute)).Draw(t, "initial")),
			Jitter:         rapid.Float64Range(-1, 1).Draw(t, "jitter"),
		}
		all := stepsOf(policy)
		for attempt := 1; attempt < policy.MaxAttempts; attempt++ {
			assert.Contains(t, all, stepUp(policy.Backoff(attempt)))
		}
	})
}
