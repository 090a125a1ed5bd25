package amqp

import (
	"context"
	"slices"
	"sync"
	"time"
)

// ackPace is how long acknowledgements gather: one that covers many costs the broker as much as one that covers one.
const ackPace = time.Millisecond

// acker is the part of a channel that acknowledges.
type acker interface {
	Ack(tag uint64, multiple bool) error
}

// acks acknowledges the deliveries of one channel. Their tags count from 1.
type acks struct {
	to acker

	mu      sync.Mutex
	done    []uint64 // to be acknowledged
	pending chan struct{}

	floor uint64              // all tags up to here are acknowledged, or were by one that covered them
	above map[uint64]struct{} // acknowledged ones above the floor
}

func newAcks(to acker) *acks {
	return &acks{to: to, pending: make(chan struct{}, 1), above: map[uint64]struct{}{}}
}

// ack acknowledges a delivery soon.
func (a *acks) ack(tag uint64) {
	a.mu.Lock()
	a.done = append(a.done, tag)
	a.mu.Unlock()
	select {
	case a.pending <- struct{}{}:
	default:
	}
}

// ackAll acknowledges what is done until ctx ends, and then what is left.
func (a *acks) ackAll(ctx context.Context) {
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-a.pending:
			pause(ctx, ackPace)
			a.flush()
		}
	}
	a.flush()
}

// flush acknowledges what is done: in one step up to the first delivery that is not, and one by one what lies above. A channel
// that is gone takes none, and delivers all of it again.
func (a *acks) flush() {
	a.mu.Lock()
	done := a.done
	a.done = nil
	a.mu.Unlock()
	slices.Sort(done)
	covered := uint64(0) // the last of done that lies on the floor
	n := 0
	for _, tag := range done {
		a.above[tag] = struct{}{}
	}
	for a.risen() {
	}
	for n < len(done) && done[n] <= a.floor {
		covered = done[n]
		n++
	}
	if covered > 0 && a.to.Ack(covered, true) != nil {
		return
	}
	for _, tag := range done[n:] {
		if a.to.Ack(tag, false) != nil {
			return
		}
	}
}

// risen raises the floor by one where the next tag is done.
func (a *acks) risen() bool {
	_, next := a.above[a.floor+1]
	if next {
		a.floor++
		delete(a.above, a.floor)
	}
	return next
}
