package management

import (
	"context"
	"sync/atomic"
	"time"
)

// sampler looks at how everything stands, once for all pages that are open: a hundred of them ask the store for no more than one.
// It owns no goroutine: whoever comes first when the last look is old makes the next, and the others wait for it.
type sampler struct {
	turn    chan struct{} // holds the right to look
	seen    string
	made    time.Time
	changed atomic.Int64 // when somebody last did something here, in nanoseconds since 1970
}

func newSampler() *sampler {
	s := &sampler{turn: make(chan struct{}, 1)}
	s.turn <- struct{}{}
	return s
}

// look returns what was seen within the last tick and since the last change, or else looks.
func (s *sampler) look(ctx context.Context, look func(context.Context) (string, error)) (string, error) {
	select {
	case <-s.turn:
	case <-ctx.Done():
		return "", ctx.Err()
	}
	defer func() { s.turn <- struct{}{} }()
	now := time.Now()
	if now.Sub(s.made) < liveTick && s.made.UnixNano() > s.changed.Load() {
		return s.seen, nil
	}
	seen, err := look(ctx)
	if err == nil {
		s.seen, s.made = seen, now
	}
	return seen, err
}

// expire has the next one look anew, so that nobody is shown less than what he has just done.
func (s *sampler) expire() { s.changed.Store(time.Now().UnixNano()) }
