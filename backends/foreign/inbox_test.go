package foreign

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/gochannel"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/memory"
	"github.com/redrive-go/redrive/retry"
)

func TestStoreAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const total = 20
		f := newFixture(t, nil)
		ids := map[string]bool{}
		for range total {
			ids[f.accept(t)] = true
		}
		f.queue.away.Store(true)
		messages, end := f.subscribe(t)
		defer end()
		time.Sleep(10 * time.Minute)
		assert.Equal(t, total, f.atBroker(t), "nothing is acknowledged")
		assert.Less(t, f.queue.calls.Load(), int64(DefaultInboxes*10*20), "and nothing is tried in a hot loop")
		assert.Equal(t, 10, f.log.count("level=WARN"), "which is said once a minute")
		f.queue.away.Store(false)
		for range total {
			msg := receive(t, messages)
			assert.True(t, ids[msg.UUID])
			delete(ids, msg.UUID)
			f.finish(t, msg)
		}
		synctest.Wait()
		assert.Zero(t, f.atBroker(t))
		assert.Equal(t, 1, f.log.count("level=INFO"))
	})
}

// A message that no store takes goes back after a while, so that the transport's own limits apply to it.
func TestMessageThatIsNotStoredGoesBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, func(cfg *Config) { cfg.Inboxes = 1 })
		f.queue.away.Store(true)
		f.accept(t)
		_, end := f.subscribe(t)
		defer end()
		synctest.Wait()
		assert.EqualValues(t, 1, f.broker.deliveries.Load())
		time.Sleep(holdTime - time.Second)
		assert.EqualValues(t, 1, f.broker.deliveries.Load())
		time.Sleep(2 * time.Second)
		assert.EqualValues(t, 2, f.broker.deliveries.Load())
		assert.Equal(t, 1, f.atBroker(t))
	})
}

func TestTransportAwayAtStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		hook := func() error { return errAway }
		f.broker.subscribing.Store(&hook)
		messages, end := f.subscribe(t)
		defer end()
		require.ErrorIs(t, f.Ping(t.Context()), errAway)
		time.Sleep(30 * time.Second)
		assert.Equal(t, 1, f.log.count("level=WARN"))
		f.broker.subscribing.Store(nil)
		f.accept(t)
		f.finish(t, receive(t, messages))
		time.Sleep(waitMost)
		require.NoError(t, f.Ping(t.Context()))
		assert.Equal(t, 1, f.log.count("level=INFO"))
	})
}

// brief is a Subscriber whose subscriptions end by themselves after one message.
type brief struct{ *broker }

func (b brief) Subscribe(ctx context.Context, topic string) (<-chan *message.Message, error) {
	ctx, cancel := context.WithCancel(ctx)
	messages, err := b.broker.Subscribe(ctx, topic)
	if err != nil {
		cancel()
		return nil, err
	}
	out := make(chan *message.Message)
	go func() {
		defer cancel()
		defer close(out)
		select {
		case msg, open := <-messages:
			if !open { // the subscription ended first
				return
			}
			out <- msg
			<-msg.Acked()
			<-msg.Context().Done()
		case <-ctx.Done():
		}
	}()
	return out, nil
}

func TestSubscriptionThatEndsIsMadeAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBroker()
		f := &fixture{broker: b}
		var err error
		f.Backend, err = New(b, brief{b}, memory.New(), config(b))
		require.NoError(t, err)
		messages, end := f.subscribe(t)
		defer end()
		for range 50 {
			id := f.accept(t)
			msg := receive(t, messages)
			assert.Equal(t, id, msg.UUID)
			f.finish(t, msg)
		}
	})
}

// redeliver has the broker deliver an event once more, as after a lost acknowledgement.
func (f *fixture) redeliver(t *testing.T, a asyncevents.Acceptance) {
	t.Helper()
	outlet := &outlet{publisher: f.broker, timeout: time.Second}
	require.NoError(t, outlet.Send(t.Context(), a.Topic, a.Message))
}

func TestRedeliveryInOneProcess(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	a := generated()
	_, err := f.Events.Accept(t.Context(), a)
	require.NoError(t, err)
	for range 5 {
		f.redeliver(t, a)
	}
	messages, _ := f.subscribe(t)
	msg := receive(t, messages)
	f.requireBacklog(t, asyncevents.Backlog{InFlight: 1})
	f.finish(t, msg)
	f.redeliver(t, a)
	f.requireBacklog(t, asyncevents.Backlog{})
	assert.EqualValues(t, 1, f.queue.calls.Load())
}

func TestRedeliveryToAnotherProcess(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		redelivered func(*message.Message) bool
		age         time.Duration
		finished    bool
		stored      int64
	}{
		"an old one that is done":        {nil, 10 * time.Second, true, 0},
		"one of which the other knows":   {func(*message.Message) bool { return true }, 0, true, 0},
		"one of which it says it is new": {func(*message.Message) bool { return false }, 10 * time.Second, true, 1},
		"a young one":                    {nil, 0, true, 1},
		"one that still waits":           {nil, 10 * time.Second, false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, nil)
			a := generated()
			a.AcceptedAt = a.AcceptedAt.Add(-c.age)
			a.Message.Metadata.Set(retry.MetadataAcceptedAt, a.AcceptedAt.Format(time.RFC3339Nano))
			_, err := f.Events.Accept(t.Context(), a)
			require.NoError(t, err)
			messages, end := f.subscribe(t)
			msg := receive(t, messages)
			if c.finished {
				f.finish(t, msg)
			}
			f.requireBacklog(t, asyncevents.Backlog{InFlight: map[bool]int64{false: 1}[c.finished]})
			end()

			before := f.queue.calls.Load()
			g := f.again(t, func(cfg *Config) { cfg.Redelivered = c.redelivered })
			g.redeliver(t, a)
			_, end = g.subscribe(t)
			require.Eventually(t, func() bool { return g.atBroker(t) == 0 }, patience, glance)
			end()
			assert.Equal(t, c.stored, g.queue.calls.Load()-before)
		})
	}
}

func TestMessagesOfOthers(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	messages, _ := f.subscribe(t)
	require.NoError(t, f.broker.Publish(topic, &message.Message{Payload: []byte("bare")}))
	bare := receive(t, messages)
	assert.Equal(t, "bare", string(bare.Payload))
	assert.NotEmpty(t, bare.UUID)
	bare.Ack()

	odd := message.NewMessage("a\xff\x00", []byte("odd"))
	odd.Metadata.Set("k\xff", "v\xff")
	require.NoError(t, f.broker.Publish(topic, odd))
	msg := receive(t, messages)
	assert.NotEqual(t, odd.UUID, msg.UUID)
	assert.Equal(t, "v\uFFFD", msg.Metadata.Get("k\uFFFD"))
	msg.Ack()

	for range 2 { // others may say the same twice
		require.NoError(t, f.broker.Publish(topic, message.NewMessage("same", nil)))
		msg = receive(t, messages)
		assert.Equal(t, "same", msg.UUID)
		msg.Ack()
	}
	f.requireBacklog(t, asyncevents.Backlog{})
}

// The id of an event may name other messages as well, on other topics.
func TestIDOfAnEventElsewhere(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(cfg *Config) { cfg.Redelivered = func(*message.Message) bool { return true } })
	a := generated()
	a.Topic = "elsewhere"
	_, err := f.Events.Accept(t.Context(), a)
	require.NoError(t, err)
	require.NoError(t, f.Events.Settle(t.Context(), asyncevents.Settlement{
		CorrelationID: a.CorrelationID, Queue: asyncevents.EventsQueue, Status: asyncevents.StatusProcessed, Attempts: 1,
	}))
	copied := a.Message.Copy()
	copied.Metadata.Set(metadataAccepted, a.Topic)
	require.NoError(t, f.broker.Publish(topic, copied))
	messages, _ := f.subscribe(t)
	msg := receive(t, messages)
	assert.Equal(t, a.CorrelationID, msg.UUID)
	msg.Ack()
}

// A shutdown in the middle loses nothing and doubles nothing.
func TestCloseAndGoOn(t *testing.T) {
	t.Parallel()
	const total, rounds = 2000, 10
	f := newFixture(t, nil)
	for range total {
		require.NoError(t, f.broker.Publish(topic, message.NewMessage(watermill.NewUUID(), nil)))
	}
	runs := map[string]int{}
	for round := 1; round <= rounds; round++ {
		messages, end := f.again(t, nil).subscribe(t)
		for len(runs) < round*total/rounds {
			msg := receive(t, messages)
			runs[msg.UUID]++
			msg.Ack()
		}
		end()
	}
	assert.Len(t, runs, total)
	f.requireBacklog(t, asyncevents.Backlog{})
	assert.EqualValues(t, total, f.queue.calls.Load(), "each was stored once")
}

func TestCloseWhileTheStoreIsAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		f.queue.away.Store(true)
		f.accept(t)
		_, end := f.subscribe(t)
		time.Sleep(time.Second)
		start := time.Now()
		end()
		assert.Less(t, time.Since(start), time.Second)
		assert.Equal(t, 1, f.atBroker(t))
		assert.Zero(t, f.broker.open.Load())
	})
}

// Some Subscribers take no notice of contexts.
func TestSubscriberThatDoesNotEndHoldsUpNothing(t *testing.T) {
	t.Parallel()
	b := newBroker()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stubborn := subscriberFunc(func(context.Context, string) (<-chan *message.Message, error) { return b.Subscribe(ctx, topic) })
	f := &fixture{broker: b}
	var err error
	f.Backend, err = New(b, stubborn, memory.New(), config(b))
	require.NoError(t, err)
	messages, end := f.subscribe(t)
	f.accept(t)
	f.finish(t, receive(t, messages))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		end()
	}()
	select {
	case <-ended:
	case <-time.After(patience):
		require.Fail(t, "Close does not return")
	}
	require.NoError(t, f.Close())
}

type subscriberFunc func(ctx context.Context, topic string) (<-chan *message.Message, error)

func (s subscriberFunc) Subscribe(ctx context.Context, topic string) (<-chan *message.Message, error) {
	return s(ctx, topic)
}

func (s subscriberFunc) Close() error { return nil }

// Where each subscription gets everything, an event still runs once.
func TestGoChannel(t *testing.T) {
	t.Parallel()
	for _, preserve := range []bool{false, true} {
		t.Run(fmt.Sprint("contexts of publishers ", preserve), func(t *testing.T) {
			t.Parallel()
			channel := gochannel.NewGoChannel(gochannel.Config{Persistent: true, PreserveContext: preserve}, nil)
			defer func() { assert.NoError(t, channel.Close()) }()
			backend, err := New(channel, channel, memory.New(), &Config{Logger: slog.New(slog.DiscardHandler)})
			require.NoError(t, err)
			runs := runService(t, backend, 100)
			require.NoError(t, backend.Close())
			assert.Len(t, runs, 100)
			for id, n := range runs {
				assert.Equal(t, 1, n, id)
			}
		})
	}
}

// runService has a service process n events, and returns how often it ran each.
func runService(t *testing.T, backend *asyncevents.Backend, n int) map[string]int {
	t.Helper()
	var mu sync.Mutex
	runs := map[string]int{}
	service, err := asyncevents.New(backend, func(_ context.Context, event asyncevents.Event) (any, error) {
		mu.Lock()
		defer mu.Unlock()
		runs[event.ID]++
		return nil, nil
	}, &asyncevents.Config{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- service.Run(ctx) }()
	for range n {
		accepted, err := service.Accept(t.Context(), asyncevents.Submission{Body: []byte(`{}`)})
		require.NoError(t, err)
		require.Eventually(t, func() bool {
			record, err := service.Status(t.Context(), accepted.CorrelationID)
			return err == nil && record.Status == asyncevents.StatusProcessed
		}, patience, glance)
	}
	cancel()
	require.NoError(t, <-ended)
	return runs
}
