package foreign

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/ThreeDotsLabs/watermill/message"
)

// brokerRoom is how many messages a topic of a broker holds.
const brokerRoom = 1 << 16

// broker is a Pub/Sub as servers are: a message stays until it is acknowledged, subscriptions share them, each has one in
// hand, and what it has in hand when it ends is delivered again. It implements message.Publisher and message.Subscriber.
type broker struct {
	// publishing and subscribing, when set, are asked first.
	publishing  atomic.Pointer[func(messages []*message.Message) error]
	subscribing atomic.Pointer[func() error]
	closed      atomic.Bool
	deliveries  atomic.Int64
	open        atomic.Int64 // subscriptions

	mu     sync.Mutex
	topics map[string]*brokerTopic
}

// brokerTopic is one topic. held counts what is not acknowledged.
type brokerTopic struct {
	messages chan *message.Message
	held     atomic.Int64
}

func newBroker() *broker { return &broker{topics: map[string]*brokerTopic{}} }

func (b *broker) topic(name string) *brokerTopic {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.topics[name]
	if t == nil {
		t = &brokerTopic{messages: make(chan *message.Message, brokerRoom)}
		b.topics[name] = t
	}
	return t
}

func (b *broker) waiting(_ context.Context, topic string) (int64, error) {
	return b.topic(topic).held.Load(), nil
}

func (b *broker) Publish(topic string, messages ...*message.Message) error {
	if hook := b.publishing.Load(); hook != nil {
		if err := (*hook)(messages); err != nil {
			return err
		}
	}
	t := b.topic(topic)
	for _, msg := range messages {
		t.held.Add(1)
		t.messages <- msg.Copy()
	}
	return nil
}

func (b *broker) Subscribe(ctx context.Context, topic string) (<-chan *message.Message, error) {
	if b.closed.Load() {
		return nil, errors.New("broker closed")
	}
	if hook := b.subscribing.Load(); hook != nil {
		if err := (*hook)(); err != nil {
			return nil, err
		}
	}
	out := make(chan *message.Message)
	b.open.Add(1)
	go func() {
		defer b.open.Add(-1)
		defer close(out)
		for t := b.topic(topic); ; {
			select {
			case <-ctx.Done():
				return
			case msg := <-t.messages:
				b.deliver(ctx, t, msg, out)
			}
		}
	}()
	return out, nil
}

// deliver delivers one message, and again later unless it is acknowledged.
func (b *broker) deliver(ctx context.Context, t *brokerTopic, msg *message.Message, out chan<- *message.Message) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	copied := msg.Copy()
	copied.SetContext(ctx)
	select {
	case out <- copied:
		b.deliveries.Add(1)
	case <-ctx.Done():
		t.messages <- msg
		return
	}
	select {
	case <-copied.Acked():
		t.held.Add(-1)
	case <-copied.Nacked():
		t.messages <- msg
	case <-ctx.Done():
		t.messages <- msg
	}
}

// Close is the host's to call.
func (b *broker) Close() error {
	b.closed.Store(true)
	return nil
}
