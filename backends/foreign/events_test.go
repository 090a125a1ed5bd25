package foreign

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
)

// refuse has the broker take nothing.
func (f *fixture) refuse(err error) {
	hook := func([]*message.Message) error { return err }
	f.broker.publishing.Store(&hook)
}

func TestEventGoesThroughTheTransport(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	id := f.accept(t)
	assert.Equal(t, 1, f.atBroker(t))
	assert.Zero(t, f.queue.calls.Load())
	messages, _ := f.subscribe(t)
	msg := receive(t, messages)
	assert.Equal(t, id, msg.UUID)
	assert.Empty(t, msg.Metadata.Get(metadataAccepted), "that was for the way")
	f.finish(t, msg)
	f.requireBacklog(t, asyncevents.Backlog{})
	record, err := f.Events.Find(t.Context(), id)
	require.NoError(t, err)
	assert.Equal(t, asyncevents.StatusProcessed, record.Status)
}

func TestPublisherThatFailsLeavesNoRecord(t *testing.T) {
	t.Parallel()
	for name, hook := range map[string]func([]*message.Message) error{
		"error": func([]*message.Message) error { return errAway },
		"panic": func([]*message.Message) error { panic("boom") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, nil)
			f.broker.publishing.Store(&hook)
			a := generated()
			_, err := f.Events.Accept(t.Context(), a)
			require.Error(t, err)
			_, err = f.Events.Find(t.Context(), a.CorrelationID)
			require.ErrorIs(t, err, asyncevents.ErrNotFound)
			assert.NotContains(t, a.Message.Metadata, metadataAccepted, "the message is the caller's")
		})
	}
}

func TestIntakeSaysUnavailable(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	service, err := asyncevents.New(f.Backend, func(context.Context, asyncevents.Event) (any, error) { return nil, nil }, nil)
	require.NoError(t, err)
	post := func(body string) *httptest.ResponseRecorder {
		request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/async/events", strings.NewReader(body))
		request.Header.Set("Content-Type", "application/json")
		answer := httptest.NewRecorder()
		service.Handler().ServeHTTP(answer, request)
		return answer
	}
	f.refuse(errAway)
	answer := post(`{}`)
	assert.Equal(t, http.StatusServiceUnavailable, answer.Code)
	assert.NotEmpty(t, answer.Header().Get("Retry-After"))
	assert.Equal(t, http.StatusAccepted, post(`{"correlation_id":"mine"}`).Code, "the store has it")
	f.refuse(nil)
	assert.Equal(t, http.StatusAccepted, post(`{}`).Code)
}

func TestStoreTakesWhatNeedsNoTransport(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		outbox, generated bool
	}{"an id that the client chose": {false, false}, "an outbox": {true, true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, func(cfg *Config) { cfg.Outbox = c.outbox })
			f.refuse(errAway)
			a := generated()
			a.Generated = c.generated
			_, err := f.Events.Accept(t.Context(), a)
			require.NoError(t, err)
			assert.Zero(t, f.atBroker(t))
			messages, _ := f.subscribe(t)
			assert.Equal(t, a.CorrelationID, receive(t, messages).UUID)
		})
	}
}

// hang has calls of the broker's Publish not return before the end of the test.
func (f *fixture) hang(t *testing.T) (release func()) {
	t.Helper()
	released := make(chan struct{})
	hook := func([]*message.Message) error {
		<-released
		return nil
	}
	f.broker.publishing.Store(&hook)
	return func() {
		f.broker.publishing.Store(nil)
		close(released)
	}
}

// What comes of a message that was late is not known, so its record stays, and the message finds it.
func TestPublisherThatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		release := f.hang(t)
		a := generated()
		start := time.Now()
		_, err := f.Events.Accept(t.Context(), a)
		require.ErrorIs(t, err, ErrTimeout)
		assert.Equal(t, DefaultPublishTimeout, time.Since(start))
		require.NoError(t, f.Ping(t.Context()), "one says little")
		_, err = f.Events.Find(t.Context(), a.CorrelationID)
		require.NoError(t, err)
		release()
		messages, end := f.subscribe(t)
		defer end()
		assert.Equal(t, a.CorrelationID, receive(t, messages).UUID)
	})
}

func TestPublisherThatIsStuckIsLeftAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		release := f.hang(t)
		for range maxOverdue {
			go func() { _ = f.Publisher.Publish(topic, message.NewMessage("x", nil)) }()
		}
		time.Sleep(DefaultPublishTimeout)
		synctest.Wait()
		require.ErrorIs(t, f.Publisher.Publish(topic, message.NewMessage("x", nil)), ErrStuck)
		require.ErrorIs(t, f.Ping(t.Context()), ErrStuck)
		a := generated()
		_, err := f.Events.Accept(t.Context(), a)
		require.ErrorIs(t, err, ErrStuck)
		_, err = f.Events.Find(t.Context(), a.CorrelationID)
		require.ErrorIs(t, err, asyncevents.ErrNotFound)
		release()
		synctest.Wait()
		require.NoError(t, f.Ping(t.Context()))
		f.accept(t)
	})
}
