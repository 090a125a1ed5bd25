package foreign

import (
	"context"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/redrive-go/redrive/backends/internal/queue"
)

// junction publishes to the transport, except for what only the store can keep. It implements queue.Appender.
type junction struct {
	outlet *outlet
	store  message.Publisher
}

// Publish implements queue.Appender. What goes into the store is there together; of the rest some may be there after an error.
func (j *junction) Publish(ctx context.Context, topic string, messages ...*message.Message) error {
	var carried, kept []*message.Message
	for _, msg := range messages {
		if isForStore(msg) {
			kept = append(kept, msg)
		} else {
			carried = append(carried, copyOf(msg))
		}
	}
	if len(carried) > 0 {
		if err := j.outlet.publish(ctx, topic, carried...); err != nil {
			return err
		}
	}
	if len(kept) > 0 {
		return j.store.Publish(topic, kept...)
	}
	return nil
}

// isForStore is whether a message waits for its time or has attempts behind it: transports lose one or the other.
func isForStore(msg *message.Message) bool {
	for key := range msg.Metadata {
		if !queue.IsOwn(key) {
			return true
		}
	}
	return false
}
