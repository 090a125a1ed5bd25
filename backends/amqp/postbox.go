package amqp

import (
	"context"
	"slices"
	"time"
)

// postbox publishes with confirms: whoever calls it publishes at once, on a channel that all share, and waits for its own confirms.
type postbox struct {
	link   *link
	shared *slot
	large  *slot // one message at a time, so that nobody else waits until there is room for it
	alone  *slot // the same for suspects: the broker closes the channel over that one only
}

func newPostbox(l *link) *postbox {
	return &postbox{link: l, shared: newSlot(l, maxOnWay), large: newSlot(l, 1), alone: newSlot(l, 1)}
}

// sendAll returns when each post was confirmed, or what became of it instead; nil when all were. It leaves at the time until.
func (b *postbox) sendAll(until time.Time, posts []*post) []error {
	ctx, cancel := context.WithDeadline(context.Background(), until)
	defer cancel()
	b.sendApart(ctx, posts)
	var errs []error
	for i, p := range posts {
		if p.suspect {
			b.sendAlone(ctx, p)
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

// sendApart sends the large ones after the others.
func (b *postbox) sendApart(ctx context.Context, posts []*post) {
	if !slices.ContainsFunc(posts, (*post).isLarge) { // as good as always
		b.shared.send(ctx, posts)
		return
	}
	var small, large []*post
	for _, p := range posts {
		if p.isLarge() {
			large = append(large, p)
		} else {
			small = append(small, p)
		}
	}
	b.shared.send(ctx, small)
	b.large.send(ctx, large)
}

// sendAlone sends a suspect again. The broker may have it already: then it is there twice.
func (b *postbox) sendAlone(ctx context.Context, suspect *post) {
	suspect.again = true
	suspect.Headers[headerCheck] = true
	b.alone.send(ctx, []*post{suspect})
}
