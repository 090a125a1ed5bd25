package amqp

import (
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/redrive-go/redrive/backends/internal/gather"
)

const (
	// maxPosts is how many messages are sent before their confirms are awaited together.
	maxPosts = 128
	// maxLanes is how many batches may be under way at once, each on a channel of its own.
	maxLanes = 4
)

// post is a message on its way to a queue.
type post struct {
	place
	name string // the queue's
	amqp.Publishing
	copy  int64
	until time.Time // how long its sender waits
}

// postbox publishes with confirms: calls that are made at the same time share their round trips.
type postbox struct {
	link     *link
	gathered *gather.Gatherer[*post]
	lanes    chan *lane
}

func newPostbox(l *link) *postbox {
	b := &postbox{link: l, lanes: make(chan *lane, maxLanes)}
	for range maxLanes {
		b.lanes <- &lane{}
	}
	b.gathered = gather.New(maxPosts, maxLanes, b.flush)
	return b
}

// sendAll returns when each post was confirmed, or what became of it instead; nil when all were. It leaves when the time of the
// posts, which is one for all, is over.
func (b *postbox) sendAll(posts []*post) []error {
	late := time.NewTimer(time.Until(posts[0].until))
	defer late.Stop()
	type answer struct {
		at  int
		err error
	}
	answers := make(chan answer, len(posts))
	for i, p := range posts {
		b.gathered.Send(p, func(err error) { answers <- answer{i, err} })
	}
	var errs []error
	answered := make([]bool, len(posts))
	for range posts {
		select {
		case a := <-answers:
			answered[a.at] = true
			if a.err != nil && errs == nil {
				errs = make([]error, len(posts))
			}
			if a.err != nil {
				errs[a.at] = a.err
			}
		case <-late.C:
			return unanswered(errs, answered)
		}
	}
	return errs
}

// unanswered notes that nobody knows what became of the posts without an answer.
func unanswered(errs []error, answered []bool) []error {
	if errs == nil {
		errs = make([]error, len(answered))
	}
	for i, known := range answered {
		if !known {
			errs[i] = ErrUnconfirmed
		}
	}
	return errs
}

func (b *postbox) flush(batch []*post) []error {
	l := <-b.lanes
	defer func() { b.lanes <- l }()
	errs, refused := b.sendOn(l, batch)
	if !refused || len(batch) == 1 {
		return errs
	}
	// The broker closed the channel over one of them, which is not the fault of the others.
	for i := range batch {
		if errs[i] == nil {
			continue
		}
		errs[i] = nil
		if alone, _ := b.sendOn(l, batch[i:i+1]); alone != nil {
			errs[i] = alone[0]
		}
	}
	return errs
}

// sendOn sends a batch on a lane. It tells whether the broker refused one of them, and closed the channel.
func (b *postbox) sendOn(l *lane, batch []*post) (errs []error, refused bool) {
	conn, err := b.link.open()
	if err == nil {
		err = b.link.within(conn, func() error { return l.openOn(conn) })
	}
	if err != nil {
		return gather.Fail(len(batch), fmt.Errorf("%w: %w", errNotSent, err)), false
	}
	errs = l.send(batch)
	return errs, errs != nil && l.refused() != nil
}

// lane is a channel that one batch at a time is published on.
type lane struct {
	conn     *amqp.Connection
	ch       *amqp.Channel
	returns  chan amqp.Return
	closes   chan *amqp.Error
	reason   *amqp.Error // why the broker closed the channel; nil when it did not
	confirms []*amqp.DeferredConfirmation
}

// openOn opens the channel, unless it is.
func (l *lane) openOn(conn *amqp.Connection) error {
	if l.conn == conn && l.ch != nil && !l.ch.IsClosed() {
		return nil
	}
	l.leave()
	ch, err := conn.Channel()
	if err == nil {
		err = ch.Confirm(false)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDisconnected, err)
	}
	// A return comes before the confirm of its message, and both come one after the other from one goroutine. With room for all
	// of a batch, every return is here once the confirms are.
	l.conn, l.ch, l.returns = conn, ch, ch.NotifyReturn(make(chan amqp.Return, maxPosts))
	l.closes, l.reason = ch.NotifyClose(make(chan *amqp.Error, 1)), nil
	return nil
}

// leave gives the channel up: nobody listens any more to what comes on it.
func (l *lane) leave() {
	if l.ch != nil {
		go func(ch *amqp.Channel) { _ = ch.Close() }(l.ch) // it waits for an answer, which may never come
		l.ch = nil
	}
}

func (l *lane) send(batch []*post) []error {
	errs := make([]error, len(batch))
	l.confirms = l.confirms[:0]
	for i, p := range batch {
		confirm, err := l.publish(p)
		l.confirms = append(l.confirms, confirm)
		errs[i] = err
	}
	failed := l.await(batch, errs)
	failed = l.sortReturns(batch, errs) || failed
	if !failed {
		return nil
	}
	return errs
}

func (l *lane) publish(p *post) (*amqp.DeferredConfirmation, error) {
	if time.Now().After(p.until) {
		return nil, fmt.Errorf("%w: %w", errNotSent, ErrUnconfirmed)
	}
	confirm, err := l.ch.PublishWithDeferredConfirm("", p.name, true, false, p.Publishing)
	switch {
	case errors.Is(err, amqp.ErrClosed):
		return nil, fmt.Errorf("%w: %w: %w", errNotSent, ErrDisconnected, err)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrDisconnected, err)
	}
	return confirm, nil
}

// await waits for the confirms of a batch, each for as long as its sender does.
func (l *lane) await(batch []*post, errs []error) (failed bool) {
	late := time.NewTimer(time.Until(batch[0].until))
	defer late.Stop()
	timedOut := false
	for i, confirm := range l.confirms {
		if confirm == nil {
			failed = true
			continue
		}
		select {
		case <-confirm.Done():
		default:
			late.Reset(time.Until(batch[i].until))
			select {
			case <-confirm.Done():
			case <-late.C:
				errs[i], timedOut = ErrUnconfirmed, true
				continue
			}
		}
		if !confirm.Acked() {
			errs[i], failed = l.refusal(), true
		}
	}
	if timedOut { // its confirms may still come, and its returns: they must not be taken for those of other messages
		l.leave()
	}
	return failed || timedOut
}

// refusal is why a message has no confirm.
func (l *lane) refusal() error {
	switch reason := l.refused(); {
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
	select {
	case reason := <-l.closes:
		if reason != nil && reason.Recover { // of the channel alone
			l.reason = reason
		}
	default:
	}
	return l.reason
}

// sortReturns finds out which messages came back because there is no such queue: they are confirmed as well.
func (l *lane) sortReturns(batch []*post, errs []error) (any bool) {
	for {
		select {
		case r, open := <-l.returns:
			if !open {
				return any
			}
			copyName := number(r.Headers[headerCopy])
			for i, p := range batch {
				if p.copy == copyName && errs[i] == nil {
					errs[i], any = ErrUnroutable, true
				}
			}
		default:
			return any
		}
	}
}
