package amqp

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/internal/queue"
)

// subscriber makes a stream and an engine on it for each subscription. It implements message.Subscriber.
type subscriber struct {
	backend *backend
	cfg     asyncevents.SubscriberConfig

	mu      sync.Mutex
	closed  bool
	closing chan struct{}
	streams sync.WaitGroup
}

func (b *backend) subscriber(cfg asyncevents.SubscriberConfig) (message.Subscriber, error) {
	if _, err := queue.NewSubscriber(nil, cfg, b.broker.log); err != nil { // a look at the configuration
		return nil, fmt.Errorf("amqp: %w", err)
	}
	return &subscriber{backend: b, cfg: cfg, closing: make(chan struct{})}, nil
}

// Subscribe begins to deliver a topic's messages, as queue.Subscriber does. It returns an error where the broker has the queue
// with other arguments, or denies access. A broker that cannot be reached, or is in trouble, is waited for.
func (s *subscriber) Subscribe(ctx context.Context, topic string) (<-chan *message.Message, error) {
	queueName, err := s.backend.broker.prepare(topic)
	if err != nil {
		return nil, fmt.Errorf("amqp: subscribe to %q: %w", topic, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, fmt.Errorf("amqp: subscribe to %q: %w", topic, ErrClosed)
	}
	b := s.backend
	stream := newStream(b.broker, topic, queueName, s.cfg, b.store.Events)
	engine, err := queue.NewSubscriber(stream, s.cfg, b.broker.log)
	if err != nil {
		return nil, fmt.Errorf("amqp: subscribe to %q: %w", topic, err)
	}
	messages, err := engine.Subscribe(ctx, topic)
	if err != nil {
		return nil, fmt.Errorf("amqp: subscribe to %q: %w", topic, err)
	}
	if err := b.relays.Run(topic); err != nil {
		return nil, errors.Join(err, engine.Close())
	}
	s.streams.Go(func() { stream.serve(engine, ctx.Done(), s.closing) })
	return messages, nil
}

// Close ends all subscriptions, as queue.Subscriber does. It may be called twice, also at once.
func (s *subscriber) Close() error {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.closing)
	}
	s.mu.Unlock()
	s.streams.Wait()
	return nil
}

// serve runs a stream until one of the channels closes, and then until the engine on it has ended.
func (s *stream) serve(engine *queue.Subscriber, unsubscribed, closing <-chan struct{}) {
	s.enter(s)
	defer s.leave(s)
	ctx, cancel := context.WithCancel(context.Background())
	go s.run(ctx)
	select {
	case <-unsubscribed:
	case <-closing:
	}
	s.stop()
	_ = engine.Close() // never fails
	s.close(cancel)
}

// prepare declares a topic's queues. What keeps the broker from that is no error: whoever consumes tries it again.
func (b *broker) prepare(topic string) (name string, err error) {
	name, err = b.queueOf(topic)
	if err != nil {
		return "", err
	}
	err = b.queues.declare(place{queue: name}, time.Now().Add(b.cfg.PublishTimeout))
	if isFinal(err) {
		return "", err
	}
	return name, nil
}

func (b *broker) enter(s *stream) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.streams[s] = struct{}{}
}

func (b *broker) leave(s *stream) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.streams, s)
}

// inHand is how many of a topic's messages wait in this process for a handler, and how many are with one.
func (b *broker) inHand(topic string) (waiting, claimed int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for s := range b.streams {
		if s.topic == topic {
			w, c := s.count()
			waiting, claimed = waiting+w, claimed+c
		}
	}
	return waiting, claimed
}
