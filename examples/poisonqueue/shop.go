package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"
	"github.com/ThreeDotsLabs/watermill/pubsub/gochannel"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/memory"
	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/retry"
)

// The topics. Each DLQ has the name of its topic.
const (
	topicOrders = "orders"
	topicMails  = "mails"
	topicClicks = "clicks"
)

// errDown is why handlers fail until the shop is repaired.
var errDown = errors.New("the warehouse does not answer")

// shop is a service with a Watermill router.
type shop struct {
	backend *asyncevents.Backend
	router  *message.Router
	clicks  *gochannel.GoChannel
	letters *dlq.Manager
	log     *slog.Logger

	repaired atomic.Bool
	mu       sync.Mutex
	handled  []string
}

func newShop(log *slog.Logger) (*shop, error) {
	adapter := watermill.NewSlogLogger(log)
	router, err := message.NewRouter(message.RouterConfig{CloseTimeout: 5 * time.Second}, adapter)
	if err != nil {
		return nil, err
	}
	s := &shop{
		backend: memory.New(),
		router:  router,
		clicks:  gochannel.NewGoChannel(gochannel.Config{}, adapter),
		log:     log,
	}
	s.letters = dlq.NewManager(s.backend.DeadLetters, log)
	return s, errors.Join(s.addOrders(), s.addMails(), s.addClicks())
}

// addOrders has three attempts, a tenth of a second apart, and then the DLQ.
func (s *shop) addOrders() error {
	policy := retry.Fixed(100 * time.Millisecond)
	policy.MaxAttempts = 3
	poison, err := dlq.Middleware(s.backend.DeadLetters, topicOrders, &dlq.MiddlewareConfig{Policy: policy, Logger: s.log})
	if err != nil {
		return err
	}
	subscriber, err := s.subscriber(policy)
	if err != nil {
		return err
	}
	s.router.AddConsumerHandler(topicOrders, topicOrders, subscriber, s.handle).AddMiddleware(poison)
	return nil
}

// addMails leaves Watermill's middleware as it was, but for where it publishes to.
func (s *shop) addMails() error {
	poison, err := middleware.PoisonQueue(dlq.NewPublisher(s.backend.DeadLetters, s.log), topicMails)
	if err != nil {
		return err
	}
	subscriber, err := s.subscriber(retry.Policy{})
	if err != nil {
		return err
	}
	s.router.AddConsumerHandler(topicMails, topicMails, subscriber, s.handle).AddMiddleware(poison)
	return nil
}

// addClicks has two handlers on one topic: for what comes over the transport, and for what comes back from the DLQ.
func (s *shop) addClicks() error {
	poison, err := dlq.Middleware(s.backend.DeadLetters, topicClicks, &dlq.MiddlewareConfig{Logger: s.log})
	if err != nil {
		return err
	}
	redriven, err := s.subscriber(retry.Policy{})
	if err != nil {
		return err
	}
	s.router.AddConsumerHandler(topicClicks, topicClicks, s.clicks, s.handle).AddMiddleware(poison)
	s.router.AddConsumerHandler(topicClicks+".redriven", topicClicks, redriven, s.handle).AddMiddleware(poison)
	return nil
}

func (s *shop) subscriber(policy retry.Policy) (message.Subscriber, error) {
	return s.backend.Subscriber(asyncevents.SubscriberConfig{Concurrency: 10, Policy: policy})
}

// handle fails for what is not "fine" until the shop is repaired.
func (s *shop) handle(msg *message.Message) error {
	if string(msg.Payload) != "fine" && !s.repaired.Load() {
		return errDown
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handled = append(s.handled, msg.UUID)
	return nil
}

// done returns the ids of the messages that were handled.
func (s *shop) done() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.handled...)
}

// send publishes a message on the transport of its topic.
func (s *shop) send(topic, id, payload string) error {
	publisher := s.backend.Publisher
	if topic == topicClicks {
		publisher = s.clicks
	}
	return publisher.Publish(topic, message.NewMessage(id, []byte(payload)))
}

// start runs the router and returns how to stop everything.
func (s *shop) start(ctx context.Context) (stop func() error, err error) {
	ended := make(chan error, 1)
	go func() { ended <- s.router.Run(context.WithoutCancel(ctx)) }()
	select {
	case <-s.router.Running():
	case err := <-ended:
		return nil, fmt.Errorf("run the router: %w", err)
	}
	return func() error {
		return errors.Join(s.router.Close(), <-ended, s.clicks.Close(), s.backend.Close())
	}, nil
}
