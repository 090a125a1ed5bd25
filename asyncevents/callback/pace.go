package callback

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// pace spreads the callbacks to a site evenly over time.
type pace struct {
	each time.Duration

	mu   sync.Mutex
	next time.Time // when the next one may go
	line line
}

// turn returns after how long the next callback may go. Where that is within patience it is that callback's turn, and nobody
// else's; otherwise it should come again after that time.
func (p *pace) turn(now time.Time, patience time.Duration) (wait time.Duration, taken bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := later(p.next, now)
	if wait := at.Sub(now); wait <= patience {
		p.next = at.Add(p.each)
		return wait, true
	}
	return p.line.join(now, at, p.each), false
}

// wait returns when it is a callback's turn; a *BusyError when that is too long. A nil pace is no limit.
func (p *pace) wait(ctx context.Context) error {
	if p == nil {
		return nil
	}
	wait, taken := p.turn(time.Now(), briefly)
	if !taken {
		return &BusyError{After: wait}
	}
	if wait <= 0 {
		return nil
	}
	select {
	case <-time.After(wait):
		return nil
	case <-ctx.Done():
		return &BusyError{After: shortestWait}
	}
}

// line spreads those that have to come again over time: each gets a turn after the one before.
type line struct {
	last time.Time
}

// join returns after how long the next in line should come, at the time from at the earliest, where each of them takes so
// long. It is bounded, because what is far ahead is not known well, and one of a few lengths, because transports may need a
// queue for each. What is beyond the bound is spread, so that the end of the line does not come all at once.
func (l *line) join(now, from time.Time, each time.Duration) time.Duration {
	l.last = later(l.last, from).Add(each)
	turn := l.last.Sub(now)
	if turn > longestWait {
		l.last = now.Add(longestWait)
		return longestWait >> rand.N(2) //nolint:gosec // spreads load, guards nothing
	}
	wait := shortestWait
	for wait < turn {
		wait *= 2
	}
	return wait
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
