package amqp

import (
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"
)

// oneMore is the size in bytes of what counts as one message more, in those that are larger.
const oneMore = 4 << 10

// post is a message on its way to a queue.
type post struct {
	place
	name string // the queue's
	amqp.Publishing
	copy   int64
	weight int64 // as how many messages it counts

	confirm *amqp.DeferredConfirmation // set once it was sent
	err     error                      // what became of it instead of a confirm
	silent  bool                       // it was sent, and nothing was heard of it in time
	suspect bool                       // the broker closed the channel over this one, or over another that was on it
	again   bool                       // it was suspect, and sent again: the broker may have it already
}

func newPost(p place, publishing amqp.Publishing) *post { //nolint:gocritic // a copy is kept
	size := len(publishing.Body)
	for _, value := range publishing.Headers {
		if text, ok := value.(string); ok {
			size += len(text)
		}
	}
	return &post{
		place: p, name: p.name(), Publishing: publishing, copy: number(publishing.Headers[headerCopy]),
		weight: 1 + int64(size)/oneMore,
	}
}

// isLarge is whether a post is as much as may be on its way at once.
func (p *post) isLarge() bool { return p.weight >= maxOnWay }

// fail notes that posts were not sent.
func fail(posts []*post, err error) {
	for _, p := range posts {
		p.err = fmt.Errorf("%w: %w", errNotSent, err)
	}
}
