package main

import (
	"context"
	"errors"
	"sync"
	"time"

	wmnats "github.com/ThreeDotsLabs/watermill-nats/v2/pkg/nats"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// maxPulled is how many messages may wait in this process.
	maxPulled = 64
	// nackDelay is after how long a message comes again that could not be stored.
	nackDelay = 100 * time.Millisecond
)

// subscriber is Watermill's Subscriber for the durable consumers of a stream. Those of watermill-nats v2.1.3, in both of its
// packages, close their channel while they may still send to it, which is a panic when a subscription ends.
type subscriber struct {
	js          jetstream.JetStream
	unmarshaler wmnats.Unmarshaler
	running     sync.WaitGroup // one for each subscription
	closing     context.Context
	close       context.CancelFunc
}

var _ message.Subscriber = (*subscriber)(nil)

func newSubscriber(js jetstream.JetStream) *subscriber {
	s := &subscriber{js: js, unmarshaler: &wmnats.NATSMarshaler{}}
	s.closing, s.close = context.WithCancel(context.Background())
	return s
}

// Subscribe shares a topic's messages with all other subscriptions to it, until ctx ends or the subscriber closes.
func (s *subscriber) Subscribe(ctx context.Context, topic string) (<-chan *message.Message, error) {
	consumer, err := s.js.Consumer(ctx, stream, durable(topic))
	if err != nil {
		return nil, err
	}
	incoming, err := consumer.Messages(jetstream.PullMaxMessages(maxPulled))
	if err != nil {
		return nil, err
	}
	output := make(chan *message.Message)
	s.running.Go(func() { s.hand(ctx, incoming, output) })
	return output, nil
}

// hand hands out what comes in, until ctx ends, the subscriber closes or the connection does.
func (s *subscriber) hand(ctx context.Context, incoming jetstream.MessagesContext, output chan<- *message.Message) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.closing, cancel)()
	context.AfterFunc(ctx, incoming.Stop)
	var deliveries sync.WaitGroup
	for {
		received, err := incoming.Next()
		if errors.Is(err, jetstream.ErrMsgIteratorClosed) {
			break
		}
		if err == nil { // otherwise it asks again by itself
			deliveries.Go(func() { s.deliver(ctx, received, output) })
		}
	}
	deliveries.Wait() // after it, nothing is sent
	close(output)
}

// deliver hands out a message, and tells the server how it was settled. What it does not tell comes again after ackWait.
func (s *subscriber) deliver(ctx context.Context, received jetstream.Msg, output chan<- *message.Message) {
	msg, err := s.unmarshaler.Unmarshal(&nats.Msg{Header: received.Headers(), Data: received.Data()})
	if err != nil {
		_ = received.TermWithReason(err.Error()) // it would never be read
		return
	}
	ctx, settled := context.WithTimeout(ctx, ackWait)
	defer settled() // by which whoever acknowledged knows that the server has heard of it
	msg.SetContext(ctx)
	select {
	case output <- msg:
	case <-ctx.Done():
		return
	}
	select {
	case <-msg.Acked():
		_ = received.DoubleAck(ctx)
	case <-msg.Nacked():
		_ = received.NakWithDelay(nackDelay)
	case <-ctx.Done():
	}
}

// Close ends every subscription.
func (s *subscriber) Close() error {
	s.close()
	s.running.Wait()
	return nil
}
