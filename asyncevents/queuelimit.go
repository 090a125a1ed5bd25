package asyncevents

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

const (
	// queueLookInterval is how old the known depth of the queue may be: counting it for every request would cost more than the limit saves.
	queueLookInterval = time.Second
	// queueLookTime is how long one look may take, and hold up the request that happens to look.
	queueLookTime = time.Second
)

// queueLimiter knows whether too many events wait. Its nil never does.
type queueLimiter struct {
	most  int64
	count func(context.Context) (Backlog, error)

	began time.Time
	next  atomic.Int64 // when to look again, after began
	full  atomic.Bool
}

// newQueueLimiter returns nil for no limit.
func newQueueLimiter(s *Service) *queueLimiter {
	if s.cfg.MaxQueued == 0 {
		return nil
	}
	return &queueLimiter{most: s.cfg.MaxQueued, began: time.Now(), count: func(ctx context.Context) (Backlog, error) {
		b, _, err := s.Backlog(ctx, EventsQueue)
		return b, err
	}}
}

// look returns a problem while the queue is full. The error is why it could not be counted: then what was known holds on, and the store
// says for itself whether it takes events.
func (l *queueLimiter) look(ctx context.Context) (*Problem, error) {
	if l == nil {
		return nil, nil
	}
	var err error
	now, next := time.Since(l.began), l.next.Load()
	if now >= time.Duration(next) && l.next.CompareAndSwap(next, int64(now+queueLookInterval)) {
		err = l.refresh(ctx)
		l.next.Store(int64(time.Since(l.began) + queueLookInterval)) // from its end: a store that hangs holds up few
	}
	if l.full.Load() {
		return newTooManyRequestsProblem(someSeconds()), err
	}
	return nil, err
}

// refresh counts, whoever waits for it: a client that hangs up must not leave the others with what is out of date.
func (l *queueLimiter) refresh(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), queueLookTime)
	defer cancel()
	b, err := l.count(ctx)
	if err != nil {
		return fmt.Errorf("count the events that wait: %w", err)
	}
	l.full.Store(b.Ready+b.Delayed+b.InFlight >= l.most)
	return nil
}

// someSeconds is a Retry-After, spread so that the clients of an outage do not all come back in the same second.
func someSeconds() time.Duration {
	return time.Duration(1+rand.IntN(5)) * time.Second //nolint:gosec // spreads load, guards nothing
}
