package amqp

import (
	"context"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// post is a message on its way to a queue.
type post struct {
	place
	name string // the queue's
	amqp.Publishing
	copy  int64
	until time.Time // how long its sender waits

	confirm *amqp.DeferredConfirmation // set once it was sent
	err     error                      // what became of it instead of a confirm
	suspect bool                       // the broker closed the channel over this one, or over another that was on it
}

// fail notes that posts were not sent.
func fail(posts []*post, err error) {
	for _, p := range posts {
		p.err = fmt.Errorf("%w: %w", errNotSent, err)
	}
}

// postbox publishes with confirms: whoever calls it publishes at once, on a channel that all share, and waits for its own confirms.
type postbox struct {
	link   *link
	shared *slot
	alone  *slot // one message at a time: the broker closes the channel over that one only
}

func newPostbox(l *link) *postbox {
	return &postbox{link: l, shared: newSlot(l, maxOnWay), alone: newSlot(l, 1)}
}

// sendAll returns when each post was confirmed, or what became of it instead; nil when all were. It leaves when the time of the
// posts, which is one for all, is over.
func (b *postbox) sendAll(posts []*post) []error {
	ctx, cancel := context.WithDeadline(context.Background(), posts[0].until)
	defer cancel()
	b.shared.send(ctx, posts)
	var errs []error
	for i, p := range posts {
		if p.suspect {
			b.alone.send(ctx, posts[i:i+1])
		}
		if p.err != nil && errs == nil {
			errs = make([]error, len(posts))
		}
		if p.err != nil {
			errs[i] = p.err
		}
	}
	return errs
}
