package browsertest

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/asyncevents/management"
	"github.com/redrive-go/redrive/backends/memory"
	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/export"
	"github.com/redrive-go/redrive/retry"
)

// site is a service with its management on a server. Its jobs and exports run; what is moved back stays in the main queue.
type site struct {
	t       *testing.T
	backend *asyncevents.Backend
	handler http.Handler
	url     string
}

// newSite serves the management at /manage/, or as mount has it.
func newSite(t *testing.T, mount func(http.Handler) http.Handler, cfg *management.Config) *site {
	t.Helper()
	s := &site{t: t, backend: memory.New()}
	folder, err := export.NewFolder(t.TempDir())
	require.NoError(t, err)
	quiet := slog.New(slog.DiscardHandler)
	process := func(context.Context, asyncevents.Event) (any, error) { return nil, nil }
	service, err := asyncevents.New(s.backend, process, &asyncevents.Config{Logger: quiet, Exports: folder})
	require.NoError(t, err)
	authorize := func(*http.Request, management.Action) (string, error) { return "alice", nil }
	s.handler, err = management.Handler(service, authorize, cfg)
	require.NoError(t, err)
	if mount == nil {
		mount = func(h http.Handler) http.Handler {
			mux := http.NewServeMux()
			mux.Handle("/manage/", h)
			return mux
		}
	}
	server := httptest.NewServer(mount(s.handler))
	s.url = server.URL

	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- service.RetryJobs().Run(ctx) }()
	go func() { ended <- service.Exports().Run(ctx) }()
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
		cancel()
		require.NoError(t, <-ended)
		require.NoError(t, <-ended)
		require.NoError(t, folder.Close())
		require.NoError(t, s.backend.Close())
	})
	return s
}

// fill puts real events into both DLQs: each as an event that failed, and as a callback that was answered with 503.
func (s *site) fill() {
	s.t.Helper()
	samples, err := os.ReadFile("testdata/loyalty-events.ndjson")
	require.NoError(s.t, err)
	for i, line := range bytes.Split(bytes.TrimSpace(samples), []byte("\n")) {
		id := fmt.Sprintf("order-%02d", i+1)
		message := fmt.Sprintf("account %d is closed", i+1)
		if i == 0 {
			message = "dial tcp 10.0.0.7:5432: connection refused"
		}
		s.add(dlq.Entry{Queue: "events", MessageID: id, Payload: line, Failure: dlq.Failure{Type: "*loyalty.Error", Message: message}})
		callback := fmt.Appendf(nil, `{"url":"https://hooks.example/%s","method":"POST","headers":{"X-Tenant":"acme"},"body":%s}`, id, line)
		s.add(dlq.Entry{Queue: "callbacks", MessageID: "callback-" + id, CorrelationID: id, Payload: callback,
			Failure: dlq.Failure{Type: "*callback.StatusError", Message: message},
			Attempts: retry.History{{Number: 1, StartedAt: time.Now(), DurationMS: 12, Error: message, ResponseStatus: 503,
				ResponseBody: `{"error":"down for maintenance"}`}}})
	}
}

func (s *site) add(entry dlq.Entry) {
	s.t.Helper()
	entry.Topic = entry.Queue
	if entry.CorrelationID == "" {
		entry.CorrelationID = entry.MessageID
	}
	entry.AcceptedAt = time.Now()
	require.NoError(s.t, s.backend.DeadLetters.Add(context.Background(), entry))
}

// depth is how many entries the DLQ holds.
func (s *site) depth(queue string) int64 {
	s.t.Helper()
	stats, err := s.backend.DeadLetters.Stat(context.Background(), queue)
	require.NoError(s.t, err)
	return stats.Count
}
