package amqp

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// postbox publishes with confirms: whoever calls it publishes at once, on a channel that all share, and waits for its own confirms.
type postbox struct {
	link   *link
	shared *slot
	alone  *slot // one message at a time: the broker closes the channel over that one only
}

func newPostbox(l *link) *postbox {
	return &postbox{link: l, shared: newSlot(l, maxOnWay), alone: newSlot(l, 1)}
}

// sendAll returns when each post was confirmed, or what became of it instead; nil when all were. It leaves at the time until.
func (b *postbox) sendAll(until time.Time, posts []*post) []error {
	ctx, cancel := context.WithDeadline(context.Background(), until)
	defer cancel()
	b.shared.send(ctx, posts)
	var errs []error
	for i, p := range posts {
		if p.suspect {
			b.sendAlone(ctx, posts[i:i+1])
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

// sendAlone sends a suspect again. The broker may have it already: then it is there twice, and whatever is said of the second one, the
// first may be there.
func (b *postbox) sendAlone(ctx context.Context, suspect []*post) {
	p := suspect[0]
	p.Headers[headerCheck] = true
	b.alone.send(ctx, suspect)
	if errors.Is(p.err, errNotSent) || errors.Is(p.err, ErrRefused) {
		p.err = fmt.Errorf("%w: %v", ErrUnconfirmed, p.err) //nolint:errorlint // which says that it is not there
	}
}
