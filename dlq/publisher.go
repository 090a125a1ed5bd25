package dlq

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/redrive-go/redrive/retry"
)

// ErrClosed is returned by Publisher.Publish after Close.
var ErrClosed = errors.New("publisher is closed")

// ErrNoTopic is returned by Publisher.Publish for a message that does not tell which topic it came from: nobody could
// move it back.
var ErrNoTopic = errors.New("message names no topic that it came from")

// Publisher is a message.Publisher that stores what Watermill's own middleware.PoisonQueue publishes: the topic
// published to is the name of the DLQ. Its methods may be called from any goroutine.
type Publisher struct {
	store  Store
	logger *slog.Logger
	closed atomic.Bool
}

var _ message.Publisher = (*Publisher)(nil)

// NewPublisher returns a Publisher into store. It logs each new dead letter; a nil logger means slog.Default().
func NewPublisher(store Store, logger *slog.Logger) *Publisher {
	if logger == nil {
		logger = slog.Default()
	}
	return &Publisher{store: store, logger: logger}
}

// Publish stores the messages in the DLQ named queue, one after the other, durably before it returns. After an
// error it may be repeated: what was stored already is not stored twice. It goes on when a message's context is
// cancelled, as it is when a deadline was why the handler failed.
func (p *Publisher) Publish(queue string, messages ...*message.Message) error {
	if p.closed.Load() {
		return fmt.Errorf("dlq: publish to %s: %w", queue, ErrClosed)
	}
	if queue == "" {
		return errors.New("dlq: publish: no queue named")
	}
	for _, msg := range messages {
		if err := p.publish(msg.Context(), queue, msg); err != nil {
			return fmt.Errorf("dlq: publish message %s to %s: %w", msg.UUID, queue, err)
		}
	}
	return nil
}

func (p *Publisher) publish(ctx context.Context, queue string, msg *message.Message) error {
	entry := poisonedEntry(msg, queue)
	if entry.Topic == "" {
		return ErrNoTopic
	}
	err := add(ctx, p.store, entry)
	if errors.Is(err, ErrNotHeld) { // somebody else has the message now, and decides
		return nil
	}
	if err != nil {
		return err
	}
	p.logger.WarnContext(ctx, "message dead-lettered", "queue", queue, "topic", entry.Topic,
		"message_id", entry.MessageID, "correlation_id", entry.CorrelationID, "attempts", len(entry.Attempts),
		"error_type", entry.Failure.Type)
	return nil
}

// poisonedEntry makes an entry of what PoisonQueue wrote into a message. The message itself stays as it is: it may be
// published again.
func poisonedEntry(msg *message.Message, queue string) Entry {
	failure := Failure{Type: TypePoisoned, Message: retry.CutText(msg.Metadata.Get(poisonReasonKey))}
	entry := EntryOf(msg, queue, failure)
	if topic := msg.Metadata.Get(poisonTopicKey); topic != "" {
		entry.Topic = topic
	}
	delivery := retry.DeliveryOf(msg)
	entry.Attempts = delivery.Ended(time.Now(), failure.Message)
	return entry
}

// Close makes Publish return ErrClosed. The store stays open. It may be called twice.
func (p *Publisher) Close() error {
	p.closed.Store(true)
	return nil
}
