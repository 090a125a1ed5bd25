package amqp

import (
	"context"
	"sync"
	"time"
)

const (
	// ackPace is how long acknowledgements gather: one that covers many costs the broker as much as one that covers one.
	ackPace = time.Millisecond
	// ackPatience is how long a delivery that is done waits for those before it, to be covered by their acknowledgement.
	ackPatience = 5 * time.Millisecond
)

// acker is the part of a channel that acknowledges.
type acker interface {
	Ack(tag uint64, multiple bool) error
}

// acks acknowledges the deliveries of one channel. Their tags count from 1.
type acks struct {
	to acker

	mu      sync.Mutex
	held    bool
	done    []uint64 // to be acknowledged
	pending chan struct{}

	floor uint64               // all tags up to here are done
	above map[uint64]time.Time // since when those above the floor are done; zero when they are acknowledged
}

func newAcks(to acker) *acks {
	return &acks{to: to, pending: make(chan struct{}, 1), above: map[uint64]time.Time{}}
}

// ack acknowledges a delivery soon.
func (a *acks) ack(tag uint64) {
	a.mu.Lock()
	a.done = append(a.done, tag)
	a.mu.Unlock()
	a.ring()
}

// ackAll acknowledges what is done until ctx ends, and then what is left.
func (a *acks) ackAll(ctx context.Context) {
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-a.pending:
			pause(ctx, ackPace)
			if a.flush(ackPatience) {
				a.ring() // for those that wait
			}
		}
	}
	a.flush(0)
}

// hold has nothing acknowledged until release.
func (a *acks) hold() { a.setHeld(true) }

// release ends a hold.
func (a *acks) release() { a.setHeld(false) }

func (a *acks) setHeld(held bool) {
	a.mu.Lock()
	a.held = held
	a.mu.Unlock()
	a.ring()
}

func (a *acks) ring() {
	select {
	case a.pending <- struct{}{}:
	default:
	}
}

// flush acknowledges what is done: in one step up to the first delivery that is not, and one by one what lies above and has
// waited for so long. It tells whether anything waits on. A channel that is gone takes none, and delivers all of it again.
func (a *acks) flush(patience time.Duration) (waits bool) {
	a.mu.Lock()
	if a.held && patience > 0 {
		a.mu.Unlock()
		return false
	}
	done := a.done
	a.done = nil
	a.mu.Unlock()
	now := time.Now()
	for _, tag := range done {
		a.above[tag] = now
	}
	if covers := a.rise(); covers > 0 && a.to.Ack(covers, true) != nil {
		return false
	}
	for tag, since := range a.above {
		switch {
		case since.IsZero():
		case now.Sub(since) < patience:
			waits = true
		case a.to.Ack(tag, false) != nil:
			return false
		default:
			a.above[tag] = time.Time{}
		}
	}
	return waits
}

// rise raises the floor as far as all is done, and returns the last tag on the way that is not acknowledged, 0 for none.
func (a *acks) rise() (covers uint64) {
	for {
		since, done := a.above[a.floor+1]
		if !done {
			return covers
		}
		a.floor++
		delete(a.above, a.floor)
		if !since.IsZero() {
			covers = a.floor
		}
	}
}
