package amqp

import (
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"
)

// post is a message on its way to a queue.
type post struct {
	place
	name string // the queue's
	amqp.Publishing
	copy int64

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
