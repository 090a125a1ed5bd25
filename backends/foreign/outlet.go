package foreign

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/redrive-go/redrive/backends/internal/apart"
)

// maxOverdue is how many calls of the foreign Publisher may be late at once. Nothing ends them, so more are not made.
const maxOverdue = 256

// Sentinel errors of publishing.
var (
	// ErrTimeout is returned by Publish and Accept where the foreign Publisher did not return within Config.PublishTimeout: the
	// message may be there, or not.
	ErrTimeout = errors.New("the foreign publisher did not return in time")
	// ErrStuck is returned by Publish and Accept while so many calls of the foreign Publisher have not returned that no more is
	// made: the message is not there. Ping returns it as well.
	ErrStuck = errors.New("calls of the foreign publisher do not return")
)

// outlet hands messages to the foreign Publisher. Calls do not wait for each other. It implements apart.Transport.
type outlet struct {
	publisher message.Publisher
	timeout   time.Duration
	overdue   atomic.Int64
}

// Ready implements apart.Transport.
func (o *outlet) Ready() error {
	if n := o.overdue.Load(); n >= maxOverdue {
		return fmt.Errorf("%w: %d of them", ErrStuck, n)
	}
	return nil
}

// Send implements apart.Transport: it publishes the message of an event that was recorded, and marks it as that. An error of the
// Publisher counts as not sent, unless it ran out of time: most mean that, and those that do not leave an event without a record,
// which is processed all the same. Keeping the record instead would leave one for each request while the transport is down.
func (o *outlet) Send(ctx context.Context, topic string, msg *message.Message) error {
	own := copyOf(msg)
	own.Metadata.Set(metadataAccepted, topic)
	err := o.publish(ctx, topic, own)
	if err == nil || isUnsure(err) {
		return err
	}
	return fmt.Errorf("%w: %w", apart.ErrNotSent, err)
}

// copyOf returns a message that shares nothing with another one: a Publisher may change it, and has it for longer than it is
// waited for.
func copyOf(msg *message.Message) *message.Message {
	own := msg.Copy()
	own.Payload = slices.Clone(own.Payload)
	return own
}

// isUnsure is whether an error leaves open what became of a message.
func isUnsure(err error) bool {
	var net interface{ Timeout() bool }
	return errors.Is(err, ErrTimeout) || errors.Is(err, context.DeadlineExceeded) || errors.As(err, &net) && net.Timeout()
}

// publish hands messages over that nobody else has. Their contexts keep ctx's values and end with the time there is: a Publisher
// that looks at them ends by itself.
func (o *outlet) publish(ctx context.Context, topic string, messages ...*message.Message) error {
	if err := o.Ready(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), o.timeout)
	defer cancel()
	for _, msg := range messages {
		msg.SetContext(ctx)
	}
	answer, returned := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(returned)
		answer <- o.call(topic, messages)
	}()
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
	}
	o.overdue.Add(1)
	go func() {
		<-returned
		o.overdue.Add(-1)
	}()
	return fmt.Errorf("%w: %s", ErrTimeout, o.timeout)
}

// call turns a panic into an error: in this goroutine nobody else would.
func (o *outlet) call(topic string, messages []*message.Message) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the foreign publisher panicked: %v", p)
		}
	}()
	return o.publisher.Publish(topic, messages...)
}
