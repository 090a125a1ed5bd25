package asyncevents_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
)

// Clients hang up as soon as they have sent their event, and send it again: each is one event.
func TestClientsHangUpAndSendAgain(t *testing.T) {
	onEach(t, func(t *testing.T, b *asyncevents.Backend) {
		clients := few(b, 1000)
		var seen starts
		s, _ := run(t, b, working(&seen, 0), nil)
		p := newPosting(t, s)
		u, err := url.Parse(p.url)
		require.NoError(t, err)
		next := make(chan int)
		var sending sync.WaitGroup
		for range 50 {
			sending.Go(func() {
				for n := range next {
					body := fmt.Sprintf(`{"correlation_id":"h%d"}`, n)
					hangUp(t, u, body)
					assert.True(t, p.post(body))
				}
			})
		}
		for n := range clients {
			next <- n
		}
		close(next)
		sending.Wait()
		awaitTally(t, s, p.stop(), map[asyncevents.Status]int{asyncevents.StatusProcessed: clients})
		awaitIdle(t, s, asyncevents.EventsQueue)
		assert.Equal(t, map[int]int{1: clients}, seen.perEvent())
	})
}

// hangUp sends an event without waiting for the answer.
func hangUp(t *testing.T, to *url.URL, body string) {
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", to.Host)
	if !assert.NoError(t, err) {
		return
	}
	_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		to.Path, to.Host, len(body), body)
	assert.NoError(t, err)
	assert.NoError(t, conn.Close())
}

// Many calls with the same id, or the same key, at once make one event.
func TestSameIDAtOnce(t *testing.T) {
	byID := func(n int) asyncevents.Submission {
		return asyncevents.Submission{Body: fmt.Appendf(nil, `{"correlation_id":"same%d"}`, n)}
	}
	onEach(t, func(t *testing.T, b *asyncevents.Backend) { sameAtOnce(t, b, byID) })
}

func TestSameKeyAtOnce(t *testing.T) {
	byKey := func(n int) asyncevents.Submission {
		return asyncevents.Submission{Body: fmt.Appendf(nil, `{"n":%d}`, n), IdempotencyKey: fmt.Sprintf("key %d", n)}
	}
	onEach(t, func(t *testing.T, b *asyncevents.Backend) { sameAtOnce(t, b, byKey) })
}

func sameAtOnce(t *testing.T, b *asyncevents.Backend, submission func(n int) asyncevents.Submission) {
	const calls = 100
	events := few(b, 100)
	var seen starts
	s, _ := run(t, b, working(&seen, 0), nil)
	var fresh atomic.Int64
	for n := range events {
		var calling sync.WaitGroup
		for range calls {
			calling.Go(func() {
				accepted, err := s.Accept(context.Background(), submission(n))
				assert.NoError(t, err)
				if !accepted.Replayed {
					fresh.Add(1)
				}
			})
		}
		calling.Wait()
	}
	await(t, "a run of each", func() bool { return seen.perEvent()[1] >= events })
	awaitIdle(t, s, asyncevents.EventsQueue)
	assert.EqualValues(t, events, fresh.Load())
	assert.Equal(t, map[int]int{1: events}, seen.perEvent())
}

// A key is answered like the correlation id that follows from it: the same body with where the event stands now, another one with 422.
// It is its client's alone, and where the client names the event, the name counts.
func TestIdempotencyKey(t *testing.T) {
	onEach(t, func(t *testing.T, b *asyncevents.Backend) {
		var seen starts
		s, _ := run(t, b, working(&seen, 0), func(c *asyncevents.Config) {
			c.Authenticate = func(r *http.Request) (string, error) { return r.Header.Get("Client"), nil }
		})
		postAs := func(client, body, key string) *httptest.ResponseRecorder {
			r := httptest.NewRequest(http.MethodPost, "/v1/async/events", strings.NewReader(body))
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Idempotency-Key", key)
			r.Header.Set("Client", client)
			w := httptest.NewRecorder()
			s.Handler().ServeHTTP(w, r)
			return w
		}
		post := func(body, key string) *httptest.ResponseRecorder { return postAs("", body, key) }
		first := post(`{"n":1}`, "a key")
		require.Equal(t, http.StatusAccepted, first.Code)
		assert.Empty(t, first.Header().Get("Idempotent-Replayed"))
		await(t, "its run", func() bool { return seen.perEvent()[1] == 1 })
		awaitIdle(t, s, asyncevents.EventsQueue)

		again := post(`{"n":1}`, "a key")
		require.Equal(t, http.StatusAccepted, again.Code)
		assert.Equal(t, "true", again.Header().Get("Idempotent-Replayed"))
		assert.Equal(t, first.Header().Get("Location"), again.Header().Get("Location"))
		assert.Contains(t, again.Body.String(), `"status":"processed"`)
		assert.Equal(t, http.StatusUnprocessableEntity, post(`{"n":2}`, "a key").Code)
		assert.Equal(t, http.StatusAccepted, post(`{"n":2}`, "another key").Code)
		for _, client := range []string{"a", "b"} { // neither hears of the other, whatever it sends
			for i, replayed := range []string{"", "true"} {
				w := postAs(client, `{"of":"`+client+`"}`, "a key")
				require.Equal(t, http.StatusAccepted, w.Code, client)
				assert.Equal(t, replayed, w.Header().Get("Idempotent-Replayed"), "%s %d", client, i)
				assert.NotEqual(t, first.Header().Get("Location"), w.Header().Get("Location"))
			}
		}
		for _, key := range []string{"a key", "a key", "a new key"} {
			named := post(`{"correlation_id":"mine"}`, key)
			require.Equal(t, http.StatusAccepted, named.Code, "the name counts, not the key")
			assert.Equal(t, "/v1/async/events/mine", named.Header().Get("Location"))
		}
		assert.Equal(t, http.StatusUnprocessableEntity, post(`{"correlation_id":"mine","n":2}`, "a newer key").Code)
		await(t, "a run of each", func() bool { return seen.perEvent()[1] == 5 })
		awaitIdle(t, s, asyncevents.EventsQueue)
		assert.Equal(t, map[int]int{1: 5}, seen.perEvent())
	})
}

// A queue that fills up has clients wait, and takes events again once it is worked off. What was taken is processed.
func TestFullQueueRefusesEvents(t *testing.T) {
	onEach(t, func(t *testing.T, b *asyncevents.Backend) {
		free := make(chan struct{})
		var done atomic.Int64
		s, _ := run(t, b, func(context.Context, asyncevents.Event) (any, error) {
			<-free
			done.Add(1)
			return nil, nil
		}, func(c *asyncevents.Config) { c.MaxQueued = 5 })
		post := func() (status int, retryAfter string) {
			w := httptest.NewRecorder()
			r := httptest.NewRequest(http.MethodPost, "/v1/async/events", strings.NewReader("{}"))
			r.Header.Set("Content-Type", "application/json")
			s.Handler().ServeHTTP(w, r)
			return w.Code, w.Header().Get("Retry-After")
		}
		var taken int64
		await(t, "a full queue", func() bool {
			status, retryAfter := post()
			if status == http.StatusAccepted {
				taken++
				return false
			}
			require.Equal(t, http.StatusTooManyRequests, status)
			require.NotEmpty(t, retryAfter)
			return true
		})
		assert.GreaterOrEqual(t, taken, int64(5))
		close(free)
		await(t, "room", func() bool { status, _ := post(); return status == http.StatusAccepted })
		await(t, "all that was taken", func() bool { return done.Load() == taken+1 })
	})
}
