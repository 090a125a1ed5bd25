package queue

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"unicode/utf8"

	"github.com/ThreeDotsLabs/watermill/message"
)

// MaxTopicLength is the largest length of a topic's name in bytes.
const MaxTopicLength = 255

// ErrBadTopic is returned for a topic that is empty, too long, or holds control characters.
var ErrBadTopic = errors.New("malformed topic")

// Appender is the part of a Driver that publishes.
type Appender interface {
	// Publish is Driver's.
	Publish(ctx context.Context, topic string, messages ...*message.Message) error
}

// Publisher is the publishing side of a queue. It implements message.Publisher.
type Publisher struct {
	driver Appender
	closed atomic.Bool
}

// NewPublisher returns a Publisher on a driver.
func NewPublisher(driver Appender) *Publisher { return &Publisher{driver: driver} }

// Publish appends the messages to a topic, all or none, and returns when they are durable. A message whose metadata
// carries Watermill's delay is not delivered before its time. The messages' contexts carry values only: a
// caller that goes away must not cancel a commit which others share.
func (p *Publisher) Publish(topic string, messages ...*message.Message) error {
	if p.closed.Load() {
		return fmt.Errorf("queue: publish: %w", ErrClosed)
	}
	if err := CheckTopic(topic); err != nil {
		return fmt.Errorf("queue: publish: %w", err)
	}
	if len(messages) == 0 {
		return nil
	}
	if err := p.driver.Publish(context.WithoutCancel(messages[0].Context()), topic, messages...); err != nil {
		return fmt.Errorf("queue: publish to %q: %w", topic, err)
	}
	return nil
}

// Close makes later calls of Publish fail with ErrClosed. It may be called twice.
func (p *Publisher) Close() error {
	p.closed.Store(true)
	return nil
}

// CheckTopic returns ErrBadTopic for a name that no topic may have.
func CheckTopic(topic string) error {
	if topic == "" || len(topic) > MaxTopicLength || !utf8.ValidString(topic) {
		return fmt.Errorf("%w: %d bytes", ErrBadTopic, len(topic))
	}
	for _, r := range topic {
		if r < ' ' || r == 0x7f {
			return fmt.Errorf("%w: %q", ErrBadTopic, topic)
		}
	}
	return nil
}
