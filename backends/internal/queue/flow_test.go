package queue

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestFlow(t *testing.T) {
	t.Parallel()
	var f flow
	now, count := time.Date(2026, time.November, 25, 0, 0, 0, 0, time.UTC), 7
	pass := func(while time.Duration, came int) float64 {
		now, count = now.Add(while), count+came
		return f.rate(count, now)
	}
	assert.Zero(t, pass(0, 0))
	assert.InDelta(t, 100, pass(5*time.Millisecond, 5), 1, "a moment says little")
	for range 399 {
		pass(5*time.Millisecond, 5)
	}
	assert.InDelta(t, 1000, pass(5*time.Millisecond, 5), 1)
	for range 10 { // bursts that come to the same
		assert.InDelta(t, 1000, pass(100*time.Millisecond, 100), 1)
	}
	assert.InDelta(t, 1000, pass(5*time.Millisecond, 100), 220, "a burst is not a flow")
	assert.InDelta(t, 100, pass(10*time.Second, 1000), 10, "nor is what came once in a while")
}
