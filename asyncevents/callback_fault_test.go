package asyncevents_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/asyncevents/callback"
)

const webhookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqr"

// receiver takes callbacks and remembers them.
type receiver struct {
	server *httptest.Server
	mu     sync.Mutex
	calls  []call
}

// call is one POST that a receiver got.
type call struct {
	header http.Header
	body   []byte
}

// newReceiver returns a receiver that answers the call of each number, from 1, with the status that answer says.
func newReceiver(t *testing.T, answer func(n int) int) *receiver {
	t.Helper()
	r := &receiver{}
	r.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		assert.NoError(t, err)
		r.mu.Lock()
		r.calls = append(r.calls, call{req.Header.Clone(), body})
		n := len(r.calls)
		r.mu.Unlock()
		w.WriteHeader(answer(n))
		_, _ = fmt.Fprintf(w, "answer %d", n)
	}))
	t.Cleanup(r.server.Close)
	return r
}

// url is what to add to the body of an event that calls back here.
func (r *receiver) url(int) string { return fmt.Sprintf(`,"callback_url":%q`, r.server.URL) }

func (r *receiver) all() []call {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]call(nil), r.calls...)
}

// private lets callbacks go to receivers of this process.
func private(c *asyncevents.Config) {
	c.Callbacks = &callback.Config{Secrets: []string{webhookSecret}, AllowPrivate: true, Logger: c.Logger}
}

func awaitCallback(t *testing.T, s *asyncevents.Service, id string, want asyncevents.CallbackStatus) asyncevents.Record {
	t.Helper()
	var r asyncevents.Record
	await(t, "callback "+string(want), func() bool {
		var err error
		r, err = s.Status(context.Background(), id)
		return err == nil && r.Callback.Status == want
	})
	return r
}

func TestCallbackDelivered(t *testing.T) {
	onEach(t, func(t *testing.T, b *asyncevents.Backend) {
		calls := newReceiver(t, func(int) int { return http.StatusNoContent })
		s, _ := run(t, b, func(_ context.Context, e asyncevents.Event) (any, error) {
			if e.ID == "e1" {
				return nil, asyncevents.Reject("NotEnoughPoints", 7, "only 3 left")
			}
			return "done", nil
		}, private)
		for _, id := range acceptMany(t, s, "e", 2, calls.url) {
			r := awaitCallback(t, s, id, asyncevents.CallbackDelivered)
			assert.Equal(t, 1, r.Callback.Attempts)
		}
		awaitIdle(t, s, asyncevents.CallbacksQueue)
		bodies := map[string]string{}
		for _, c := range calls.all() {
			bodies[c.header.Get("X-Correlation-Id")] = string(c.body)
		}
		require.Len(t, calls.all(), 2)
		assert.Contains(t, bodies["e0"], `"success":"done"`)
		assert.Contains(t, bodies["e1"], `"NotEnoughPoints"`)
		assert.Zero(t, count(t, s, asyncevents.CallbacksQueue))
	})
}

func TestCallbackFailsForEver(t *testing.T) {
	onEach(t, func(t *testing.T, b *asyncevents.Backend) {
		calls := newReceiver(t, func(n int) int {
			if n <= 5 {
				return http.StatusInternalServerError
			}
			return http.StatusOK
		})
		s, _ := run(t, b, (&failing{}).process, private)
		acceptMany(t, s, "e", 1, calls.url)
		e := awaitDead(t, s, asyncevents.CallbacksQueue, 1)[0]
		r := awaitCallback(t, s, "e0", asyncevents.CallbackFailed)
		assert.Equal(t, asyncevents.StatusProcessed, r.Status)
		assert.Equal(t, 5, r.Callback.Attempts)
		require.Len(t, e.Attempts, 5)
		for i, a := range e.Attempts {
			assert.Equal(t, i+1, a.Number)
			assert.Equal(t, http.StatusInternalServerError, a.ResponseStatus)
			assert.Equal(t, fmt.Sprintf("answer %d", i+1), a.ResponseBody)
		}
		require.Len(t, calls.all(), 5)

		_, err := s.DeadLetters().Retry(t.Context(), asyncevents.CallbacksQueue, e.ID)
		require.NoError(t, err)
		r = awaitCallback(t, s, "e0", asyncevents.CallbackDelivered)
		assert.Equal(t, 6, r.Callback.Attempts)
		assert.Zero(t, count(t, s, asyncevents.CallbacksQueue))
		assert.Zero(t, count(t, s, asyncevents.EventsQueue))
		assertSameCallback(t, calls.all(), e.MessageID)
	})
}

// assertSameCallback holds that six calls are attempts at one callback.
func assertSameCallback(t *testing.T, calls []call, id string) {
	t.Helper()
	require.Len(t, calls, 6)
	webhook, err := standardwebhooks.NewWebhook(webhookSecret)
	require.NoError(t, err)
	for i, c := range calls {
		assert.Equal(t, id, c.header.Get("Webhook-Id"))
		assert.Equal(t, fmt.Sprint(i+1), c.header.Get("X-Attempt"))
		assert.Equal(t, "e0", c.header.Get("X-Correlation-Id"))
		assert.Equal(t, string(calls[0].body), string(c.body))
		assert.True(t, json.Valid(c.body))
		require.NoError(t, webhook.Verify(c.body, c.header))
	}
}

func TestCallbackThatIsGone(t *testing.T) {
	onEach(t, func(t *testing.T, b *asyncevents.Backend) {
		calls := newReceiver(t, func(int) int { return http.StatusGone })
		s, _ := run(t, b, (&failing{}).process, private)
		acceptMany(t, s, "e", 1, calls.url)
		e := awaitDead(t, s, asyncevents.CallbacksQueue, 1)[0]
		require.Len(t, e.Attempts, 1, "410 ends the attempts")
		assert.Equal(t, http.StatusGone, e.Attempts[0].ResponseStatus)
		assert.Equal(t, "answer 1", e.Attempts[0].ResponseBody)
		awaitCallback(t, s, "e0", asyncevents.CallbackFailed)
		assert.Len(t, calls.all(), 1)
	})
}

// A host that has to be waited for costs no attempt, however often it is looked for.
func TestCallbackPostponedIsNoAttempt(t *testing.T) {
	onEach(t, func(t *testing.T, b *asyncevents.Backend) {
		first, released := make(chan struct{}), make(chan struct{})
		release := sync.OnceFunc(func() { close(released) })
		calls := newReceiver(t, func(n int) int {
			if n == 1 {
				close(first)
				<-released
			}
			return http.StatusOK
		})
		t.Cleanup(release)
		postponed := newPostponements()
		s, _ := run(t, b, (&failing{}).process, func(c *asyncevents.Config) {
			c.Logger = slog.New(postponed)
			private(c)
			// What waits comes again after longer and longer while nothing is heard: the first call has to last until then.
			c.Callbacks.HostConcurrency, c.Callbacks.Timeout = 1, time.Hour
		})
		acceptMany(t, s, "e", 2, calls.url)
		<-first
		for range 6 { // more than there are attempts
			<-postponed.seen
		}
		assert.Len(t, calls.all(), 1)
		release()
		for _, id := range []string{"e0", "e1"} {
			assert.Equal(t, 1, awaitCallback(t, s, id, asyncevents.CallbackDelivered).Callback.Attempts)
		}
		for _, c := range calls.all() {
			assert.Equal(t, "1", c.header.Get("X-Attempt"))
		}
		assert.Zero(t, count(t, s, asyncevents.CallbacksQueue))
	})
}

// postponements is a log handler that tells of attempts that were postponed.
type postponements struct {
	slog.Handler
	seen chan struct{}
}

func newPostponements() *postponements {
	return &postponements{slog.DiscardHandler, make(chan struct{}, 1000)}
}

func (p *postponements) Enabled(context.Context, slog.Level) bool { return true }

func (p *postponements) WithAttrs([]slog.Attr) slog.Handler { return p }

func (p *postponements) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "attempt postponed" {
		p.seen <- struct{}{}
	}
	return nil
}

func TestDeadCallbackHostDelaysNoEvent(t *testing.T) {
	onEach(t, func(t *testing.T, b *asyncevents.Backend) {
		reached, released := make(chan struct{}, 1), make(chan struct{})
		release := sync.OnceFunc(func() { close(released) })
		calls := newReceiver(t, func(int) int {
			select {
			case reached <- struct{}{}:
			default:
			}
			<-released
			return http.StatusOK
		})
		t.Cleanup(release) // before the server is closed: it waits for its handlers
		s, _ := run(t, b, (&failing{}).process, func(c *asyncevents.Config) {
			private(c)
			c.Concurrency, c.CallbackConcurrency, c.Callbacks.Timeout = 5, 20, time.Minute
		})
		ids := acceptMany(t, s, "e", 100, calls.url)
		<-reached
		awaitTally(t, s, ids, map[asyncevents.Status]int{asyncevents.StatusProcessed: 100})
		for _, id := range ids {
			r, err := s.Status(t.Context(), id)
			require.NoError(t, err)
			assert.Equal(t, asyncevents.CallbackPending, r.Callback.Status)
		}
		await(t, "two callbacks on their way", func() bool { return len(calls.all()) == 2 })
		release()
		for _, id := range ids {
			awaitCallback(t, s, id, asyncevents.CallbackDelivered)
		}
		assert.Len(t, calls.all(), 100)
	})
}
