package foreign

import (
	"context"
	"fmt"
	"sync"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/internal/queue"
)

// subscriber delivers from the store's queue, and has an inbox fill that for each subscription. It implements message.Subscriber.
type subscriber struct {
	backend *backend
	engine  message.Subscriber

	mu      sync.Mutex
	closed  bool
	closing chan struct{}
	inboxes sync.WaitGroup
}

func (b *backend) newSubscriber(cfg asyncevents.SubscriberConfig) (message.Subscriber, error) {
	engine, err := b.store.Subscriber(cfg)
	if err != nil {
		return nil, fmt.Errorf("foreign: %w", err)
	}
	return &subscriber{backend: b, engine: engine, closing: make(chan struct{})}, nil
}

// Subscribe begins to deliver a topic's messages, as the store's Subscriber does, and to take in what the transport has of them.
// It returns when that is subscribed to; a transport that cannot be is tried again in the background.
func (s *subscriber) Subscribe(ctx context.Context, topic string) (<-chan *message.Message, error) {
	messages, i, err := s.begin(ctx, topic)
	if err != nil {
		return nil, fmt.Errorf("foreign: subscribe to %q: %w", topic, err)
	}
	i.awaitFirst(ctx)
	return messages, nil
}

func (s *subscriber) begin(ctx context.Context, topic string) (<-chan *message.Message, *inbox, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, nil, queue.ErrClosed
	}
	messages, err := s.engine.Subscribe(ctx, topic)
	if err != nil {
		return nil, nil, err
	}
	i := newInbox(s.backend, topic)
	s.inboxes.Go(func() { i.run(ctx.Done(), s.closing) })
	return messages, i, nil
}

// Close ends all subscriptions, as the store's Subscriber does, and the inboxes meanwhile. What they have not stored is not
// acknowledged. It may be called twice, also at once.
func (s *subscriber) Close() error {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.closing)
	}
	s.mu.Unlock()
	err := s.engine.Close()
	s.inboxes.Wait()
	return err
}
