package amqp

import (
	"context"
	"slices"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// ackPace is how long acknowledgements gather: one that covers many costs the broker as much as one that covers one.
const ackPace = time.Millisecond

// session is one channel that a stream consumes on. Tags of deliveries belong to it.
type session struct {
	ch *amqp.Channel

	mu      sync.Mutex
	done    []uint64 // to be acknowledged
	pending chan struct{}

	floor uint64              // all tags up to here are acknowledged, or were by one that covered them
	above map[uint64]struct{} // acknowledged ones above the floor
}

func newSession(ch *amqp.Channel) *session {
	return &session{ch: ch, pending: make(chan struct{}, 1), above: map[uint64]struct{}{}}
}

// ack acknowledges a delivery soon.
func (s *session) ack(tag uint64) {
	s.mu.Lock()
	s.done = append(s.done, tag)
	s.mu.Unlock()
	select {
	case s.pending <- struct{}{}:
	default:
	}
}

// ackAll acknowledges what is done until ctx ends, and then what is left.
func (s *session) ackAll(ctx context.Context) {
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-s.pending:
			pause(ctx, ackPace)
			s.flush()
		}
	}
	s.flush()
}

// flush acknowledges what is done: in one step up to the first delivery that is not, and one by one what lies above. A channel
// that is gone takes none, and delivers all of it again.
func (s *session) flush() {
	s.mu.Lock()
	done := s.done
	s.done = nil
	s.mu.Unlock()
	slices.Sort(done)
	covered := uint64(0) // the last of done that lies on the floor
	n := 0
	for _, tag := range done {
		s.above[tag] = struct{}{}
	}
	for s.risen() {
	}
	for n < len(done) && done[n] <= s.floor {
		covered = done[n]
		n++
	}
	if covered > 0 && s.ch.Ack(covered, true) != nil {
		return
	}
	for _, tag := range done[n:] {
		if s.ch.Ack(tag, false) != nil {
			return
		}
	}
}

// risen raises the floor by one where the next tag is done.
func (s *session) risen() bool {
	_, next := s.above[s.floor+1]
	if next {
		s.floor++
		delete(s.above, s.floor)
	}
	return next
}
