package amqp

import (
	"math/bits"
	"slices"
	"time"

	"github.com/redrive-go/redrive/retry"
)

const (
	// waitSteps is how many lengths of wait there are between one and the double of it.
	waitSteps = 4
	// waitLeast is the shortest of them, in milliseconds.
	waitLeast = 16
	// waitMost is the longest of them, 43 days: RabbitMQ counts milliseconds in 32 bits.
	waitMost = 7 << 29 * time.Millisecond
)

// waitOnce is how long a wait must be to be made in turns, each a bit shorter than what is left, so that what it is rounded up by is
// not much. Shorter ones are made at once.
const waitOnce = time.Minute

// stepUp returns the length of wait, in milliseconds, that d is rounded up to, by a quarter at most. Messages of one length
// wait in one queue, in which they leave in the order in which they came: of a queue with many lengths only the first could
// leave. A delay is a lower bound, so it may be longer.
func stepUp(d time.Duration) int64 {
	ms := max(uint64((d+time.Millisecond-1)/time.Millisecond), waitLeast) //nolint:gosec // d is positive
	shift := max(bits.Len64(ms)-bits.Len64(waitSteps), 0)
	return min(int64((ms+1<<shift-1)>>shift<<shift), int64(waitMost/time.Millisecond)) //nolint:gosec // smaller than before
}

// turn returns the length of the next wait of a message that is to wait d, in milliseconds.
func turn(d time.Duration) int64 {
	ms := stepUp(d)
	if d < waitOnce || d >= waitMost {
		return ms
	}
	return stepDown(ms)
}

// stepDown returns the next shorter length of wait, in milliseconds.
func stepDown(ms int64) int64 {
	shift := max(bits.Len64(uint64(ms-1))-bits.Len64(waitSteps), 0) //nolint:gosec // positive
	return max(ms-1<<shift, waitLeast)
}

// steps are all lengths of wait there are, in milliseconds.
func steps() (all []int64) {
	for d := time.Duration(1); d < waitMost; {
		step := stepUp(d)
		all = append(all, step)
		d = time.Duration(step)*time.Millisecond + 1
	}
	return all
}

// stepsOf are the lengths of wait that a policy makes, in milliseconds.
func stepsOf(policy retry.Policy) (all []int64) {
	policy = policy.WithDefaults()
	bare := policy
	bare.Jitter = -1
	for attempt := 1; attempt < policy.MaxAttempts; attempt++ {
		shortest := bare.Backoff(attempt)
		longest := shortest + time.Duration(max(policy.Jitter, 0)*float64(shortest))
		for d := shortest; ; d = time.Duration(stepUp(d))*time.Millisecond + 1 {
			ms := stepUp(min(d, longest))
			if all = append(all, ms); ms >= waitOnce.Milliseconds() {
				all = append(all, stepDown(ms))
			}
			if d >= longest {
				break
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
