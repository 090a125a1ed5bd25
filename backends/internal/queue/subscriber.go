package queue

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/redrive-go/redrive/asyncevents"
)

// Subscriber is the consuming side of a queue. It implements message.Subscriber.
type Subscriber struct {
	driver Driver
	cfg    asyncevents.SubscriberConfig
	log    *slog.Logger

	mu        sync.Mutex
	closed    bool
	closing   chan struct{}
	consumers sync.WaitGroup
}

// NewSubscriber returns a Subscriber on a driver, or an error that names every faulty field.
func NewSubscriber(driver Driver, cfg asyncevents.SubscriberConfig, logger *slog.Logger) (*Subscriber, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("queue: subscriber: %w", err)
	}
	if logger == nil {
		logger = slog.Default()
	}
	return &Subscriber{driver: driver, cfg: cfg, log: logger, closing: make(chan struct{})}, nil
}

// Subscribe begins to deliver a topic's messages, up to Concurrency of them at once, until ctx ends or the Subscriber
// is closed. The channel is closed then; messages that are in flight can still be settled for CloseTimeout. Their
// contexts carry ctx's values but outlive it.
func (s *Subscriber) Subscribe(ctx context.Context, topic string) (<-chan *message.Message, error) {
	if err := CheckTopic(topic); err != nil {
		return nil, fmt.Errorf("queue: subscribe: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, fmt.Errorf("queue: subscribe to %q: %w", topic, ErrClosed)
	}
	c := newConsumer(ctx, s, topic)
	s.consumers.Go(func() { c.run(ctx.Done(), s.closing) })
	return c.out, nil
}

// Close stops claiming, closes the channels, waits up to CloseTimeout for the messages in flight to be settled, then
// ends their contexts and gives them back, for which it takes leaveTime at most. It may be called twice, also at once; every
// call returns when that is done.
func (s *Subscriber) Close() error {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.closing)
	}
	s.mu.Unlock()
	s.consumers.Wait()
	return nil
}

// backoff is the growing wait between tries to reach a store that does not answer.
type backoff struct{ wait time.Duration }

func (b *backoff) next() time.Duration {
	b.wait = min(max(2*b.wait, 50*time.Millisecond), 5*time.Second)
	return b.wait
}

func (b *backoff) reset() { b.wait = 0 }
