package apart

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/retry"
)

const (
	// relayConcurrency is how many messages are on their way from the store to the transport at once.
	relayConcurrency = 256
	// relayRetry is the wait before a message is handed over again that the transport did not take.
	relayRetry = time.Second
	// relayLease is after how long another process takes over what one that died was handing over. It is short because nobody's
	// work takes long here; what is handed over twice is noticed.
	relayLease = 5 * time.Second
	// relayTime is how long a message may be held for a transport that is away.
	relayTime = 10 * time.Minute
	// relayClose is how long what is on its way may take to arrive when the backend is closed.
	relayClose = 2 * time.Second
	// sayAgain is after how long trouble is news again.
	sayAgain = time.Minute
)

// Forward hands a message from the store's queue to the transport, and returns when it is durable there. It waits for a transport
// that is away, until ctx ends. again is whether the message may be there already.
type Forward func(ctx context.Context, topic string, msg *message.Message, again bool) error

// ErrUnfit marks an error of a Forward after which nothing else can be expected, however often it is tried: the message is too large,
// say. It goes to the DLQ.
var ErrUnfit = errors.New("the transport cannot carry the message")

// Relays hand messages from the store's queue to the transport.
type Relays struct {
	store   *asyncevents.Backend
	forward Forward
	log     *slog.Logger

	ctx  context.Context
	stop context.CancelFunc
	work sync.WaitGroup

	mu         sync.Mutex
	closed     bool
	subscriber message.Subscriber
	topics     map[string]struct{}
	saidAt     time.Time
}

// NewRelays returns Relays of which none runs.
func NewRelays(store *asyncevents.Backend, forward Forward, log *slog.Logger) *Relays {
	r := &Relays{store: store, forward: forward, log: log, topics: map[string]struct{}{}}
	r.ctx, r.stop = context.WithCancel(context.Background())
	return r
}

// Run has a topic relayed from now on until Close.
func (r *Relays) Run(topic string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, runs := r.topics[topic]; runs || r.closed {
		return nil
	}
	if err := r.start(topic); err != nil {
		return fmt.Errorf("relay %q from the store: %w", topic, err)
	}
	r.topics[topic] = struct{}{}
	return nil
}

// start begins to relay. The caller holds the lock.
func (r *Relays) start(topic string) (err error) {
	if r.subscriber == nil {
		r.subscriber, err = r.store.Subscriber(asyncevents.SubscriberConfig{
			Relay: true, Lease: relayLease, Concurrency: relayConcurrency, AttemptTimeout: relayTime, CloseTimeout: relayClose,
			Policy: retry.Fixed(relayRetry),
		})
		if err != nil {
			return err
		}
	}
	messages, err := r.subscriber.Subscribe(context.Background(), topic)
	if err != nil {
		return err
	}
	r.work.Go(func() {
		for msg := range messages {
			r.work.Go(func() { r.pass(topic, msg) })
		}
	})
	return nil
}

// pass hands one message over.
func (r *Relays) pass(topic string, msg *message.Message) {
	ctx, cancel := context.WithCancel(msg.Context())
	defer cancel()
	defer context.AfterFunc(r.ctx, cancel)()
	err := r.forward(ctx, topic, msg, retry.DeliveryOf(msg).Attempt > 1)
	if errors.Is(err, ErrUnfit) {
		err = r.bury(topic, msg, err)
	}
	if err != nil {
		r.say(topic, err)
		msg.Nack()
		return
	}
	msg.Ack()
}

// bury puts a message into the DLQ that can never be handed over.
func (r *Relays) bury(topic string, msg *message.Message, why error) error {
	delivery := retry.DeliveryOf(msg)
	settlement := asyncevents.Settlement{
		CorrelationID: delivery.CorrelationID, Attempts: delivery.History.Last(),
		Queue: asyncevents.EventsQueue, Status: asyncevents.StatusFailed,
	}
	if delivery.CorrelationID != msg.UUID {
		settlement.Queue, settlement.Status, settlement.Callback = asyncevents.CallbacksQueue, "", asyncevents.CallbackFailed
	}
	entry := dlq.EntryOf(msg, settlement.Queue, dlq.FailureOf(why))
	entry.Topic = topic
	settlement.DeadLetter = &entry
	r.log.Warn("a message was dead-lettered that the transport cannot carry", "topic", topic,
		"correlation_id", delivery.CorrelationID, "error", why)
	return r.store.Events.Settle(context.WithoutCancel(msg.Context()), settlement)
}

// say logs trouble, the first of it and then once in a while.
func (r *Relays) say(topic string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ctx.Err() == nil && time.Since(r.saidAt) > sayAgain {
		r.saidAt = time.Now()
		r.log.Warn("messages in the store wait for the transport", "topic", topic, "error", err)
	}
}

// Close ends the relays. What has not arrived stays in the store. It may be called twice.
func (r *Relays) Close() error {
	r.mu.Lock()
	r.closed = true
	subscriber := r.subscriber
	r.mu.Unlock()
	r.stop()
	if subscriber == nil {
		return nil
	}
	err := subscriber.Close()
	r.work.Wait()
	return err
}
