package asyncevents_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/retry"
)

// seenEvents are what a processor was given, by the id of the CloudEvent.
type seenEvents struct {
	mu  sync.Mutex
	all map[string][]asyncevents.Event
}

// process takes CloudEvents, and fails for good those of type "bad".
func (s *seenEvents) process(_ context.Context, e asyncevents.Event) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all[e.CloudEvent.ID] = append(s.all[e.CloudEvent.ID], e)
	if e.Action == "bad" {
		return nil, retry.Permanent(errors.New("bad"))
	}
	return nil, nil
}

func (s *seenEvents) of(id string) []asyncevents.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]asyncevents.Event(nil), s.all[id]...)
}

// postCloudEvent posts a CloudEvent in binary content mode, headers being name and value in turn.
func postCloudEvent(s *asyncevents.Service, body []byte, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/v1/async/events", bytes.NewReader(body))
	r.Header.Set("Ce-Specversion", "1.0")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	return w
}

// CloudEvents keep their attributes and every byte of their data on their way through each backend, are one event however often they are
// sent, and stand in the DLQ as what they are.
func TestCloudEvents(t *testing.T) {
	onEach(t, func(t *testing.T, b *asyncevents.Backend) {
		seen := &seenEvents{all: map[string][]asyncevents.Event{}}
		s, _ := run(t, b, seen.process, func(c *asyncevents.Config) {
			c.CloudEvents = true
			c.Authenticate = func(r *http.Request) (string, error) { return r.Header.Get("Client"), nil }
		})
		any := []byte("\x00\xff\xfe<not text>")
		first := func(more ...string) *httptest.ResponseRecorder {
			headers := []string{"Ce-Id", "1", "Ce-Source", "/a", "Ce-Type", "good", "Ce-Subject", "a%20%C3%BC", "Content-Type", "image/x"}
			return postCloudEvent(s, any, append(headers, more...)...)
		}
		location := first().Header().Get("Location")
		require.NotEmpty(t, location)
		again := first("Ce-Traceparent", "added-on-the-way")
		require.Equal(t, http.StatusAccepted, again.Code)
		assert.Equal(t, "true", again.Header().Get("Idempotent-Replayed"))
		assert.Equal(t, location, again.Header().Get("Location"))
		for _, other := range [][]string{{"Ce-Type", "other"}, {"Ce-Subject", "x"}, {"Content-Type", "image/y"}} {
			assert.Equal(t, http.StatusUnprocessableEntity, first(other...).Code, other)
		}
		for _, other := range [][]string{{"Ce-Source", "/b", "Ce-Id", "2"}, {"Client", "c", "Ce-Id", "1", "Ce-Subject", "theirs"}} {
			w := first(other...)
			assert.Equal(t, http.StatusAccepted, w.Code, other)
			assert.NotEqual(t, location, w.Header().Get("Location"), other)
		}
		require.Equal(t, http.StatusAccepted, postCloudEvent(s, nil, "Ce-Id", "3", "Ce-Source", "/a", "Ce-Type", "good").Code)
		require.Equal(t, http.StatusAccepted, postCloudEvent(s, any, "Ce-Id", "4", "Ce-Source", "/a", "Ce-Type", "bad", "Ce-Ext", "5").Code)
		const whole = `{"specversion":"1.0", "id":"5","source":"/a","type":"good","tenant":"t","data":{"a": 1.0}}`
		results, err := s.AcceptAll(t.Context(), []asyncevents.Submission{
			{Body: []byte(whole), ContentType: "application/cloudevents+json"},
			{Body: []byte(whole), ContentType: "application/cloudevents+json"},
			{Body: []byte(strings.Replace(whole, `"5"`, `""`, 1)), ContentType: "application/cloudevents+json"},
		})
		require.NoError(t, err)
		assert.Equal(t, []bool{false, true}, []bool{results[0].Replayed, results[1].Replayed})
		assert.Equal(t, asyncevents.CodeEmptyProperty, results[2].Problem.Code)

		entry := awaitDead(t, s, asyncevents.EventsQueue, 1)[0]
		awaitIdle(t, s, asyncevents.EventsQueue)
		assert.Len(t, seen.of("1"), 2, "one of each client")
		for id, runs := range map[string]int{"2": 1, "3": 1, "4": 1, "5": 1} {
			require.Len(t, seen.of(id), runs, id)
		}
		for _, e := range seen.of("1") {
			assert.Equal(t, any, e.Body)
			assert.Equal(t, any, e.CloudEvent.Data)
			assert.Equal(t, "image/x", e.CloudEvent.DataContentType)
		}
		assert.Equal(t, "a ü", seen.of("2")[0].CloudEvent.Subject)
		assert.Empty(t, seen.of("3")[0].Body)
		assert.Equal(t, whole, string(seen.of("5")[0].Body), "byte for byte")
		assert.Equal(t, `{"a": 1.0}`, string(seen.of("5")[0].Data))
		assert.Equal(t, map[string]string{"tenant": "t"}, seen.of("5")[0].CloudEvent.Extensions)

		assert.Equal(t, any, entry.Payload)
		_, err = s.DeadLetters().RetryOldest(t.Context(), asyncevents.EventsQueue)
		require.NoError(t, err)
		await(t, "its run after the redrive", func() bool { return len(seen.of("4")) == 2 })
		assert.Equal(t, seen.of("4")[0].CloudEvent, seen.of("4")[1].CloudEvent)
		assert.Equal(t, map[string]string{"ext": "5"}, seen.of("4")[1].CloudEvent.Extensions)
	})
}
