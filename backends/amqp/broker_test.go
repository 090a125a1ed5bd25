package amqp

import (
	"log/slog"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/memory"
	"github.com/redrive-go/redrive/internal/testserver"
	"github.com/redrive-go/redrive/retry"
)

const (
	topic    = "events"
	patience = 20 * time.Second
	glance   = 10 * time.Millisecond
)

// site is a broker with queues of the test's own, and a store.
type site struct {
	url, path string
	cfg       Config
}

func newSite(t *testing.T) *site {
	t.Helper()
	return &site{testserver.AMQP(t), filepath.Join(t.TempDir(), "events.db"), Config{QueuePrefix: prefix()}}
}

func (s *site) open(t *testing.T) *backend { return openOn(t, s.url, s.path, &s.cfg) }

// queue is the name of the topic's queue.
func (s *site) queue() string { return s.cfg.QueuePrefix + topic }

// onChannel does something past the library.
func (s *site) onChannel(t *testing.T, do func(ch *amqp.Channel)) {
	t.Helper()
	conn, err := amqp.Dial(s.url)
	require.NoError(t, err)
	defer func() { assert.NoError(t, conn.Close()) }()
	ch, err := conn.Channel()
	require.NoError(t, err)
	do(ch)
}

// exists is whether there is a queue of that name.
func (s *site) exists(t *testing.T, name string) (there bool) {
	t.Helper()
	conn, err := amqp.Dial(s.url)
	require.NoError(t, err)
	defer func() { assert.NoError(t, conn.Close()) }()
	l := newLink("test", nil, &Config{Logger: slog.New(slog.DiscardHandler)})
	_, there, err = l.inspect(conn, name)
	require.NoError(t, err)
	return there
}

// quick is a consumer whose failures come back soon, and whose dead are found soon.
func quick() asyncevents.SubscriberConfig {
	return asyncevents.SubscriberConfig{
		Concurrency: 10, CloseTimeout: 100 * time.Millisecond, Lease: 200 * time.Millisecond, Policy: retry.Fixed(10 * time.Millisecond),
	}
}

func consume(t *testing.T, b *backend) <-chan *message.Message {
	t.Helper()
	subscriber, err := b.subscriber(quick())
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, subscriber.Close()) })
	messages, err := subscriber.Subscribe(t.Context(), topic)
	require.NoError(t, err)
	return messages
}

func receive(t *testing.T, messages <-chan *message.Message) *message.Message {
	t.Helper()
	select {
	case msg := <-messages:
		require.NotNil(t, msg, "the subscription ended")
		return msg
	case <-time.After(patience):
		require.Fail(t, "no message came")
		return nil
	}
}

func publish(t *testing.T, b *backend, payload string) *message.Message {
	t.Helper()
	msg := message.NewMessage(watermill.NewUUID(), []byte(payload))
	require.NoError(t, b.whole().Publisher.Publish(topic, msg))
	return msg
}

// requireEmpty waits until nothing is left of a topic, at the broker, in the store or here.
func requireEmpty(t *testing.T, b *backend) {
	t.Helper()
	whole := b.whole()
	require.Eventually(t, func() bool {
		backlog, err := whole.Backlog(t.Context(), topic)
		return err == nil && backlog == asyncevents.Backlog{}
	}, patience, glance)
}

// stream is the only stream of a backend.
func (b *backend) stream() *stream {
	b.broker.mu.Lock()
	defer b.broker.mu.Unlock()
	for s := range b.broker.streams {
		return s
	}
	return nil
}

// cut breaks the connection on which a backend consumes, and waits until it consumes again.
func cut(t *testing.T, b *backend) {
	t.Helper()
	conn, err := b.broker.consumes.now()
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	require.Eventually(t, func() bool {
		again, err := b.broker.consumes.now()
		return err == nil && again != conn
	}, patience, glance)
}

func TestNobodyIsLetInWithoutAccess(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for name, change := range map[string]func(*url.URL){
		"password":     func(u *url.URL) { u.User = url.UserPassword(u.User.Username(), "wrong") },
		"virtual host": func(u *url.URL) { u.Path = "/nowhere" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u, err := url.Parse(s.url)
			require.NoError(t, err)
			change(u)
			store := memory.New()
			_, err = Open(t.Context(), u.String(), store, nil)
			require.ErrorIs(t, err, ErrAccess)
			require.ErrorContains(t, err, "check")
			require.ErrorContains(t, err, name)
			assert.NotContains(t, err.Error(), "wrong", "passwords are told to nobody")
			require.NoError(t, store.Ping(t.Context()), "the store is left open")
		})
	}
}

func TestConfigurationFaults(t *testing.T) {
	t.Parallel()
	_, err := Open(t.Context(), "amqp://127.0.0.1/", nil, &Config{PublishTimeout: -1, MaxMessageBytes: 1})
	for _, fault := range []string{"store", "PublishTimeout", "MaxMessageBytes"} {
		require.ErrorContains(t, err, fault)
	}
	_, err = Open(t.Context(), "http://127.0.0.1/", memory.New(), nil)
	require.ErrorContains(t, err, "URL")
}

func TestNothingIsHalfDeclared(t *testing.T) {
	t.Parallel()
	for name, of := range map[string]func(queue string) string{
		"the queue":   func(queue string) string { return queue },
		"the dropped": droppedOf,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			odd := of(s.queue())
			s.onChannel(t, func(ch *amqp.Channel) {
				_, err := ch.QueueDeclare(odd, true, false, false, false, nil)
				require.NoError(t, err)
			})
			t.Cleanup(func() {
				conn, err := amqp.Dial(s.url)
				require.NoError(t, err)
				defer func() { assert.NoError(t, conn.Close()) }()
				ch, err := conn.Channel()
				require.NoError(t, err)
				_, err = ch.QueueDelete(odd, false, false, false)
				require.NoError(t, err)
			})
			b := s.open(t)
			subscriber, err := b.subscriber(quick())
			require.NoError(t, err)
			_, err = subscriber.Subscribe(t.Context(), topic)
			require.ErrorIs(t, err, ErrMismatch)
			require.ErrorContains(t, err, odd)
			require.NoError(t, subscriber.Close())
			require.ErrorIs(t, b.broker.Send(t.Context(), topic, message.NewMessage("m", nil)), ErrMismatch)
			for _, queue := range []string{s.queue(), droppedOf(s.queue())} {
				assert.Equal(t, queue == odd, s.exists(t, queue), queue)
			}
		})
	}
}

func TestDeletedQueueIsDeclaredAgain(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.open(t)
	messages := consume(t, b)
	publish(t, b, "1")
	receive(t, messages).Ack()
	requireEmpty(t, b)
	for range 3 {
		s.onChannel(t, func(ch *amqp.Channel) {
			_, err := ch.QueueDelete(s.queue(), false, false, false)
			require.NoError(t, err)
		})
		var sent *message.Message
		require.Eventually(t, func() bool { // what comes while the broker deletes a queue, it may refuse
			sent = message.NewMessage(watermill.NewUUID(), []byte("2"))
			return b.whole().Publisher.Publish(topic, sent) == nil
		}, patience, glance)
		msg := receive(t, messages)
		assert.Equal(t, sent.UUID, msg.UUID, "no phantom comes before it")
		msg.Ack()
		requireEmpty(t, b)
	}
}

func TestTooLarge(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.cfg.MaxMessageBytes = 100 << 10
	b := s.open(t)
	publisher := b.whole().Publisher
	require.ErrorIs(t, publisher.Publish(topic, message.NewMessage("m", make([]byte, 100<<10))), ErrTooLarge)
	msg := message.NewMessage("m", nil)
	msg.Metadata.Set("large", strings.Repeat("x", 100<<10))
	require.ErrorIs(t, publisher.Publish(topic, msg), ErrTooLarge)
	publish(t, b, "x")
	receive(t, consume(t, b)).Ack()
}

func TestLargeMetadata(t *testing.T) {
	t.Parallel()
	b := newSite(t).open(t)
	messages := consume(t, b)
	sent := message.NewMessage(watermill.NewUUID(), []byte("x"))
	sent.Metadata.Set("large", strings.Repeat("x", 200<<10))
	require.NoError(t, b.whole().Publisher.Publish(topic, sent))
	for range 3 {
		msg := receive(t, messages)
		assert.Equal(t, sent.UUID, msg.UUID)
		assert.Equal(t, sent.Metadata.Get("large"), msg.Metadata.Get("large"))
		assert.Equal(t, "x", string(msg.Payload))
		msg.Nack()
	}
	receive(t, messages).Ack()
	requireEmpty(t, b)
}

func TestMessageFromElsewhere(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.open(t)
	messages := consume(t, b)
	s.onChannel(t, func(ch *amqp.Channel) {
		require.NoError(t, ch.Publish("", s.queue(), true, false, amqp.Publishing{Body: []byte("x"), Headers: amqp.Table{
			"n": int32(7), "x-death": []any{amqp.Table{"count": int64(3)}}, "x-other": int64(1), headerDeliveries: int64(2),
		}}))
	})
	msg := receive(t, messages)
	assert.NotEmpty(t, msg.UUID)
	assert.Equal(t, "7", msg.Metadata.Get("n"))
	assert.Empty(t, msg.Metadata.Get("x-death"))
	msg.Ack()
	requireEmpty(t, b)
}

func TestDroppedMessageHasNoAttemptsLeft(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.open(t)
	messages := consume(t, b)
	sent := content{uuid: "m-1", payload: []byte("x"), metadata: message.Metadata{"k": "v"}}
	s.onChannel(t, func(ch *amqp.Channel) {
		require.NoError(t, ch.Publish("", droppedOf(s.queue()), true, false, sent.publishing()))
	})
	msg := receive(t, messages)
	assert.Equal(t, "m-1", msg.UUID)
	assert.Equal(t, "v", msg.Metadata.Get("k"))
	assert.Greater(t, retry.DeliveryOf(msg).Attempt, quick().WithDefaults().Policy.MaxAttempts)
	msg.Ack()
	requireEmpty(t, b)
}

func TestWaitInTurns(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.open(t)
	messages := consume(t, b)
	rest := content{uuid: "m-1", payload: []byte("x"), wait: 300 * time.Millisecond} // what is left after 49 days
	began := time.Now()
	s.onChannel(t, func(ch *amqp.Channel) {
		require.NoError(t, ch.Publish("", s.queue(), true, false, rest.publishing()))
	})
	msg := receive(t, messages)
	assert.GreaterOrEqual(t, time.Since(began), rest.wait)
	assert.Equal(t, 1, retry.DeliveryOf(msg).Attempt)
	msg.Ack()
	requireEmpty(t, b)
}

func TestHandlerOutlivesItsConnection(t *testing.T) {
	t.Parallel()
	b := newSite(t).open(t)
	whole := b.whole()
	messages := consume(t, b)
	for _, id := range []string{"acked", "settled", "nacked"} {
		_, err := whole.Events.Accept(t.Context(), acceptance(id))
		require.NoError(t, err)
	}
	held := map[string]*message.Message{}
	for range 3 {
		msg := receive(t, messages)
		held[msg.UUID] = msg
	}
	cut(t, b)
	require.NoError(t, held["acked"].Context().Err(), "the handler goes on")
	held["acked"].Ack() // maybe before it has come back
	require.Eventually(t, func() bool {
		waiting, claimed := b.broker.inHand(topic)
		return waiting == 0 && claimed == 2
	}, patience, glance)
	require.NoError(t, whole.Events.Settle(held["settled"].Context(), processed("settled")))
	held["settled"].Ack()
	held["nacked"].Nack()
	msg := receive(t, messages)
	assert.Equal(t, "nacked", msg.UUID, "only this one is tried again")
	assert.Equal(t, 2, retry.DeliveryOf(msg).Attempt, "the broken connection cost no attempt")
	msg.Ack()
	requireEmpty(t, b)
}

func TestDeadConsumersAttemptsCount(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	dead := s.open(t)
	sent := publish(t, dead, "x")
	receive(t, consume(t, dead))
	require.NoError(t, dead.broker.Close()) // as if its process had died
	b := s.open(t)
	messages := consume(t, b)
	msg := receive(t, messages)
	assert.Equal(t, sent.UUID, msg.UUID)
	delivery := retry.DeliveryOf(msg)
	assert.Equal(t, 2, delivery.Attempt)
	require.Len(t, delivery.History, 1)
	assert.NotEmpty(t, delivery.History[0].Error)
	msg.Ack()
	requireEmpty(t, b)
}

func TestLostAcknowledgement(t *testing.T) {
	t.Parallel()
	for name, settlement := range map[string]asyncevents.Settlement{
		"of what is processed": processed("e-1"),
		"of what is put off": {
			CorrelationID: "e-1", Queue: asyncevents.EventsQueue, Attempts: 1, Again: &asyncevents.Again{After: time.Hour},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			dead := s.open(t)
			_, err := dead.whole().Events.Accept(t.Context(), acceptance("e-1"))
			require.NoError(t, err)
			receive(t, consume(t, dead))
			require.NoError(t, dead.store.Events.Settle(t.Context(), settlement), "the outcome is recorded")
			require.NoError(t, dead.broker.Close(), "and the broker does not get to know")
			b := s.open(t)
			messages := consume(t, b)
			requireEmpty(t, b)
			last := publish(t, b, "x")
			msg := receive(t, messages)
			assert.Equal(t, last.UUID, msg.UUID, "nothing came before it")
			msg.Ack()
		})
	}
}

// acceptance is an event whose id the library made.
func acceptance(id string) asyncevents.Acceptance {
	return asyncevents.Acceptance{
		CorrelationID: id, Generated: true, AcceptedAt: time.Now(), Topic: topic, Message: message.NewMessage(id, []byte("{}")),
	}
}

func processed(id string) asyncevents.Settlement {
	return asyncevents.Settlement{
		CorrelationID: id, Queue: asyncevents.EventsQueue, Status: asyncevents.StatusProcessed, Attempts: 1, Response: []byte("{}"),
	}
}

func TestAcceptWhileTheBrokerIsAway(t *testing.T) {
	t.Parallel()
	nowhere := "amqp://guest:guest@127.0.0.1:1/"
	b := openAway(t, nowhere, Config{})
	whole := b.whole()
	require.ErrorIs(t, whole.Ping(t.Context()), ErrDisconnected)
	for _, generated := range []bool{true, false} {
		a := acceptance("e-1")
		a.Generated = generated
		_, err := whole.Events.Accept(t.Context(), a)
		require.ErrorIs(t, err, ErrDisconnected)
		_, err = whole.Events.Find(t.Context(), "e-1")
		require.ErrorIs(t, err, asyncevents.ErrNotFound, "nothing is left of it")
	}
	require.ErrorIs(t, whole.Publisher.Publish(topic, message.NewMessage("m", nil)), ErrDisconnected)

	b = openAway(t, nowhere, Config{Outbox: true})
	whole = b.whole()
	_, err := whole.Events.Accept(t.Context(), acceptance("e-1"))
	require.NoError(t, err)
	record, err := whole.Events.Find(t.Context(), "e-1")
	require.NoError(t, err)
	assert.Equal(t, asyncevents.StatusQueued, record.Status)
}

// openAway opens a backend whose broker is not there.
func openAway(t *testing.T, url string, cfg Config) *backend {
	t.Helper()
	b, err := open(t.Context(), url, memory.New(), &cfg)
	require.NoError(t, err, "the broker may come later")
	t.Cleanup(func() { assert.NoError(t, b.close()) })
	return b
}
