package bench

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/asyncevents/callback"
	"github.com/redrive-go/redrive/retry"
)

// callbackSecret signs the callbacks.
const callbackSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqr"

// BenchmarkCallbacks delivers waiting callbacks through the whole service: signature, POST over HTTP/1.1 to a receiver in this
// process, status, settlement.
func BenchmarkCallbacks(b *testing.B) {
	for _, backend := range backends {
		b.Run(backend.name, func(b *testing.B) {
			backend := backend.fresh(b)
			s := newService(b, backend, idle, asyncevents.Config{
				Callbacks: &callback.Config{Secrets: []string{callbackSecret}, AllowPrivate: true, Logger: quiet},
			})
			calls := newReceiver(b, b.N)
			fillCallbacks(b, backend, s, b.N, func(int) string { return calls.server.URL })
			measured(b, func() { runUntil(b, s, calls.done) })
		})
	}
}

// receiver takes callbacks.
type receiver struct {
	server *httptest.Server
	taken  atomic.Int64
	done   chan struct{} // closed when all have come
}

func newReceiver(tb testing.TB, all int) *receiver {
	r := &receiver{done: make(chan struct{})}
	r.server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, request *http.Request) {
		_, _ = io.Copy(io.Discard, request.Body)
		if r.taken.Add(1) == int64(all) {
			close(r.done)
		}
	}))
	tb.Cleanup(r.server.Close)
	return r
}

// runUntil runs a service until something is done, and its end.
func runUntil(tb testing.TB, s *asyncevents.Service, done <-chan struct{}) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	<-done
	cancel()
	must(tb, <-ended)
}

// fillCallbacks makes n callbacks wait, the i-th of them to url(i), of events that are accepted and stay so: on topics that the
// service does not process.
func fillCallbacks(tb testing.TB, backend *asyncevents.Backend, s *asyncevents.Service, n int, url func(i int) string) {
	elsewhere := newService(tb, backend, idle, asyncevents.Config{TopicPrefix: "elsewhere."})
	for from := 0; from < n; from += asyncevents.MaxBatch {
		events := slices.Repeat([]asyncevents.Submission{{Body: body}}, min(n-from, asyncevents.MaxBatch))
		results, err := elsewhere.AcceptAll(context.Background(), events)
		must(tb, err)
		batch := make([]*message.Message, len(results))
		for i := range results {
			batch[i] = callbackTo(tb, url(from+i), results[i].CorrelationID)
		}
		must(tb, backend.Publisher.Publish(s.Topic(asyncevents.CallbacksQueue), batch...))
	}
}

// callbackTo is the message of an event's callback.
func callbackTo(tb testing.TB, url, id string) *message.Message {
	payload, err := json.Marshal(map[string]any{
		"url": url, "method": "POST", "headers": map[string]string{"Content-Type": "application/json"},
		"body": map[string]any{
			"correlation_id": id, "status": "processed", "attempts": 1, "created_at": time.Now(), "updated_at": time.Now(),
			"response": map[string]any{"success": map[string]any{"points": 325}, "error": []any{}},
		},
	})
	must(tb, err)
	msg := message.NewMessage(watermill.NewUUID(), payload)
	msg.Metadata.Set(retry.MetadataCorrelationID, id)
	return msg
}
