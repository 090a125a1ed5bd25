package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
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
			calls := newReceiver(b, b.N, nil)
			fillCallbacks(b, backend, s, b.N, func(int) string { return calls.server.URL })
			measured(b, func() { runUntil(b, s, calls.done) })
		})
	}
}

// BenchmarkCallbacksBesideDead delivers callbacks to a live host alone, and beside a hundred hosts that take connections and
// never answer, with fifty callbacks waiting for each. events/s is of b.N that wait together, p99-ms of a thousand that come
// one by one, five hundred a second.
func BenchmarkCallbacksBesideDead(b *testing.B) {
	for _, backend := range backends {
		for _, dead := range []int{0, 100} {
			b.Run(fmt.Sprintf("%s/dead=%d", backend.name, dead), func(b *testing.B) {
				backend := backend.fresh(b)
				s := newService(b, backend, idle, asyncevents.Config{
					ShutdownTimeout: time.Second,
					Callbacks:       &callback.Config{Secrets: []string{callbackSecret}, AllowPrivate: true, Logger: quiet},
				})
				urls := deadHosts(b, dead)
				fillCallbacks(b, backend, s, 50*dead, func(i int) string { return urls[i%dead] })
				ctx, cancel := context.WithCancel(context.Background())
				ended := make(chan error, 1)
				go func() { ended <- s.Run(ctx) }()
				if dead > 0 {
					time.Sleep(8 * time.Second) // then they are known to be, and RabbitMQ has the queues for what waits
				}
				p99 := paced(b, backend, s)
				calls := newReceiver(b, b.N, nil)
				measured(b, func() {
					fillCallbacks(b, backend, s, b.N, func(int) string { return calls.server.URL })
					<-calls.done
				})
				b.ReportMetric(float64(p99.Microseconds())/1000, "p99-ms")
				cancel()
				<-ended // with an error, where callbacks to dead hosts are left behind
			})
		}
	}
}

// paced returns within which time 99 of 100 callbacks arrive that are published one by one.
func paced(b *testing.B, backend *asyncevents.Backend, s *asyncevents.Service) time.Duration {
	const n, each = 1000, 2 * time.Millisecond
	var came sync.Map // when, by webhook-id
	calls := newReceiver(b, n, func(id string) { came.Store(id, time.Now()) })
	sent := make(map[string]time.Time, n)
	next := time.NewTicker(each)
	defer next.Stop()
	for range n {
		<-next.C
		msg := callbackTo(b, calls.server.URL, watermill.NewUUID())
		sent[msg.UUID] = time.Now()
		must(b, backend.Publisher.Publish(s.Topic(asyncevents.CallbacksQueue), msg))
	}
	<-calls.done
	took := make([]time.Duration, 0, n)
	for id, at := range sent {
		then, _ := came.Load(id)
		took = append(took, then.(time.Time).Sub(at))
	}
	slices.Sort(took)
	return took[n*99/100]
}

// deadHosts are the URLs of n hosts that take connections and never answer.
func deadHosts(tb testing.TB, n int) []string {
	urls := make([]string, n)
	for i := range urls {
		listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
		must(tb, err)
		tb.Cleanup(func() { _ = listener.Close() })
		urls[i] = "http://" + listener.Addr().String()
	}
	return urls
}

// receiver takes callbacks.
type receiver struct {
	server *httptest.Server
	taken  atomic.Int64
	done   chan struct{} // closed when all have come
}

// newReceiver returns one that tells each, where that is not nil, which callback has come, until all have.
func newReceiver(tb testing.TB, all int, each func(id string)) *receiver {
	r := &receiver{done: make(chan struct{})}
	r.server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, request *http.Request) {
		_, _ = io.Copy(io.Discard, request.Body)
		if each != nil {
			each(request.Header.Get("Webhook-Id"))
		}
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
