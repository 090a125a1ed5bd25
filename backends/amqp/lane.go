package amqp

import (
	"context"
	"errors"
	"fmt"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"
	"golang.org/x/sync/semaphore"
)

const (
	// maxOnWay is how many messages a lane has on their way to the broker and back at most. A large one counts for several.
	maxOnWay = 1024
	// largeBody is from how many bytes on a message counts for one more, and again for each as many.
	largeBody = 16 << 10
)

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
	if l.retired || l.ch.IsClosed() {
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

// open is whether more can be sent.
func (l *lane) open() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.retired && !l.ch.IsClosed()
}

// send publishes posts until one cannot be sent on this lane any more, waits for the confirms, and returns how many it has dealt with.
func (l *lane) send(ctx context.Context, posts []*post) int {
	settled := 0
	for i, p := range posts {
		if !l.room.TryAcquire(l.weight(p)) {
			l.settle(ctx, posts[settled:i]) // who waits for room must not hold any
			settled = i
			if err := l.room.Acquire(ctx, l.weight(p)); err != nil {
				fail(posts[i:], ErrUnconfirmed)
				return len(posts)
			}
		}
		if !l.open() || !l.publish(p) {
			l.room.Release(l.weight(p))
			l.settle(ctx, posts[settled:i])
			return i
		}
	}
	l.settle(ctx, posts[settled:])
	return len(posts)
}

// weight is how much of the lane's room a post takes.
func (l *lane) weight(p *post) int64 { return min(l.onWay, 1+int64(len(p.Body))/largeBody) }

// publish sends a post, unless the channel is closed.
func (l *lane) publish(p *post) (open bool) {
	p.confirm, p.err, p.suspect = nil, nil, false
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
	case <-p.confirm.Done():
	default:
		select {
		case <-p.confirm.Done():
		case <-ctx.Done():
			l.retire() // before its room is used by others: its return may still come
			return ErrUnconfirmed
		}
	}
	switch {
	case !p.confirm.Acked():
		return l.refusal(p)
	case l.cameBack(p):
		return ErrUnroutable
	}
	return nil
}

// cameBack is whether a message was returned because there is no such queue: it is confirmed as well. The return comes before the
// confirm, and both come one after the other from one goroutine, so all returns that matter are here.
func (l *lane) cameBack(p *post) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		select {
		case r, more := <-l.returns:
			if more {
				l.returned[number(r.Headers[headerCopy])] = struct{}{}
				continue
			}
		default:
		}
		_, back := l.returned[p.copy]
		delete(l.returned, p.copy)
		return back
	}
}

// refusal is why a message has no confirm.
func (l *lane) refusal(p *post) error {
	reason := l.refused()
	p.suspect = reason != nil
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
