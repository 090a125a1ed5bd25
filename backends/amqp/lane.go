package amqp

import (
	"context"
	"errors"
	"fmt"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"
	"golang.org/x/sync/semaphore"
)

// maxOnWay is how many messages a lane that many share has on their way to the broker and back at most. What waits in memory to be
// written is as many times oneMore.
const maxOnWay = 1024

// lane is a channel on which many publish at once, each of whom waits for its own confirms.
type lane struct {
	conn    *amqp.Connection
	ch      *amqp.Channel
	onWay   int64               // how much of it may be
	room    *semaphore.Weighted // onWay, less what is
	returns chan amqp.Return
	closes  chan *amqp.Error

	mu       sync.Mutex
	senders  int
	retired  bool // nothing more is sent on it
	returned map[int64]struct{}
	reason   *amqp.Error // why the broker closed the channel; nil when it did not
}

func newLane(conn *amqp.Connection, ch *amqp.Channel, onWay int64) *lane {
	return &lane{
		conn: conn, ch: ch, onWay: onWay, room: semaphore.NewWeighted(onWay), returned: map[int64]struct{}{},
		// The goroutine that reads the connection puts each return in, and must not wait: there is room for all that is on its way.
		returns: ch.NotifyReturn(make(chan amqp.Return, onWay)),
		closes:  ch.NotifyClose(make(chan *amqp.Error, 1)),
	}
}

// enter makes the caller one of the senders, who leaves, and returns true, if the lane can be used.
func (l *lane) enter() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.isUsable() {
		return false
	}
	l.senders++
	return true
}

// leave ends what enter began. The last one closes a lane that is retired.
func (l *lane) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.senders--; l.senders == 0 && l.retired {
		go func() { _ = l.ch.Close() }() // it waits for an answer, which may never come
	}
}

// retire has no more sent. What is on its way may still be confirmed.
func (l *lane) retire() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.retired = true
}

// usable is whether more can be sent.
func (l *lane) usable() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.isUsable()
}

// isUsable is usable for who holds the lock. A connection that is lost closes its channels a moment later.
func (l *lane) isUsable() bool { return !l.retired && !l.ch.IsClosed() && !l.conn.IsClosed() }

// send publishes posts until one cannot be sent on this lane any more, waits for the confirms, and returns how many it has dealt with.
func (l *lane) send(ctx context.Context, posts []*post) int {
	settled := 0
	for i, p := range posts {
		if !l.room.TryAcquire(l.weight(p)) {
			l.settle(ctx, posts[settled:i]) // who waits for room must not hold any
			settled = i
			if l.room.Acquire(ctx, l.weight(p)) != nil {
				fail(posts[i:], ErrUnconfirmed)
				return len(posts)
			}
		}
		late := ctx.Err() != nil
		if late || !l.usable() || !l.publish(p) {
			l.room.Release(l.weight(p))
			l.settle(ctx, posts[settled:i])
			if !late {
				return i
			}
			fail(posts[i:], ErrUnconfirmed)
			return len(posts)
		}
	}
	l.settle(ctx, posts[settled:])
	return len(posts)
}

// weight is how much of the lane's room a post takes.
func (l *lane) weight(p *post) int64 { return min(l.onWay, p.weight) }

// publish hands a post to the connection, and returns false if its channel is closed. What else may go wrong the post knows.
func (l *lane) publish(p *post) (handed bool) {
	p.confirm, p.err, p.silent, p.suspect = nil, nil, false, false
	confirm, err := l.ch.PublishWithDeferredConfirm("", p.name, true, false, p.Publishing)
	switch {
	case errors.Is(err, amqp.ErrClosed):
		return false
	case err != nil:
		p.err = fmt.Errorf("%w: %w", ErrDisconnected, err)
	}
	p.confirm = confirm
	return true
}

// settle waits for the confirms of posts until ctx ends, and notes what became of those that have none.
func (l *lane) settle(ctx context.Context, posts []*post) {
	for _, p := range posts {
		if p.err == nil {
			p.err = l.await(ctx, p)
		}
		l.room.Release(l.weight(p))
	}
}

func (l *lane) await(ctx context.Context, p *post) error {
	select {
	case <-p.confirm.Done(): // also when it is late by now
	default:
		select {
		case <-p.confirm.Done():
		case <-ctx.Done():
			l.retire() // before its room is used by others: its return may still come
			p.silent = true
			return ErrUnconfirmed
		}
	}
	if p.confirm.Acked() {
		return l.cameBack(p)
	}
	reason := l.refused()
	p.suspect = reason != nil && l.onWay > 1 // else it was the only one on its way
	return l.refusal(reason)
}

// cameBack returns ErrUnroutable for a message that was returned because there is no such queue: it is confirmed as well.
func (l *lane) cameBack(p *post) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.takeReturns()
	if _, back := l.returned[p.copy]; !back {
		return nil
	}
	delete(l.returned, p.copy)
	return ErrUnroutable
}

// takeReturns notes what came back. A return comes before the confirm of its message, and both come one after the other from one
// goroutine, so with a confirm its return is here. The caller holds the lock.
func (l *lane) takeReturns() {
	for {
		select {
		case r, more := <-l.returns:
			if !more {
				return
			}
			l.returned[number(r.Headers[headerCopy])] = struct{}{}
		default:
			return
		}
	}
}

// refusal is why a message has no confirm, on a channel that the broker closed for a reason, if any.
func (l *lane) refusal(reason *amqp.Error) error {
	switch {
	case reason == nil && l.ch.IsClosed():
		return ErrDisconnected
	case reason == nil:
		return ErrRefused
	case reason.Code == amqp.PreconditionFailed: // it says that only of a message's size
		return fmt.Errorf("%w: %w", ErrTooLarge, reason)
	default:
		return explain(reason)
	}
}

// refused is why the broker closed the channel, other than with its connection; nil when it did not.
func (l *lane) refused() *amqp.Error {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case reason := <-l.closes:
		if reason != nil && reason.Recover { // of the channel alone
			l.reason = reason
		}
	default:
	}
	return l.reason
}
