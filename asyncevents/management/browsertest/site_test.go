package browsertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

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
	topic   func(queue string) string
}

// setup is how a site differs from the usual one.
type setup struct {
	// mount serves the management elsewhere than at /manage/.
	mount func(http.Handler) http.Handler
	cfg   *management.Config
	// rights are what alice may do; everything where there are none.
	rights []management.Action
	// incident has the whole service run, with alarms, and after a day of which there is a history.
	incident bool
}

func newSite(t *testing.T, how setup) *site {
	t.Helper()
	s := &site{t: t, backend: memory.New()}
	folder, err := export.NewFolder(t.TempDir())
	require.NoError(t, err)
	cfg := asyncevents.Config{Logger: slog.New(slog.DiscardHandler), Exports: folder}
	if how.incident {
		s.backend.Traffic = badDay{}
		cfg.Alarms = &asyncevents.Alarms{MaxDepth: 5, Interval: tick}
	}
	service, err := asyncevents.New(s.backend, refuseHooks, &cfg)
	require.NoError(t, err)
	authorize := func(_ *http.Request, action management.Action) (string, error) {
		if how.rights != nil && !slices.Contains(how.rights, action) {
			return "alice", errors.New("not hers")
		}
		return "alice", nil
	}
	s.topic = service.Topic
	s.handler, err = management.Handler(service, authorize, how.cfg)
	require.NoError(t, err)
	if how.mount == nil {
		how.mount = func(h http.Handler) http.Handler {
			mux := http.NewServeMux()
			mux.Handle("/manage/", h)
			return mux
		}
	}
	server := httptest.NewServer(how.mount(s.handler))
	s.url = server.URL
	stop := running(service, how.incident)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
		require.NoError(t, stop())
		require.NoError(t, folder.Close())
		require.NoError(t, s.backend.Close())
	})
	return s
}

// running runs the whole service, or only what does not process.
func running(service *asyncevents.Service, whole bool) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	group, ctx := errgroup.WithContext(ctx)
	if whole {
		group.Go(func() error { return service.Run(ctx) })
	} else {
		group.Go(func() error { return service.RetryJobs().Run(ctx) })
		group.Go(func() error { return service.Exports().Run(ctx) })
	}
	return func() error {
		cancel()
		return group.Wait()
	}
}

// refuseHooks processes orders; webhooks come back to the DLQ.
func refuseHooks(_ context.Context, event asyncevents.Event) (any, error) {
	if strings.HasPrefix(event.ID, "hook") {
		return nil, retry.Permanent(errors.New("lock of shard 3 was not free within 5s"))
	}
	return nil, nil
}

// badDay is the traffic of a day on which something broke three hours ago. It takes no notes.
type badDay struct{}

func (badDay) Note(context.Context, string, asyncevents.Traffic) error { return nil }

func (badDay) Since(_ context.Context, queue string, from time.Time) (minutes []asyncevents.Traffic, _ error) {
	now := time.Now().UTC().Truncate(time.Minute)
	for at := now.Add(-asyncevents.TrafficKept); queue == "events" && !at.After(now); at = at.Add(time.Minute) {
		m := asyncevents.Traffic{At: at, Depth: 2, Accepted: 1240, Done: 1238, Again: 3}
		if bad := int64(at.Sub(now.Add(-3 * time.Hour)).Minutes()); bad > 0 {
			m.Dead = bad % 17
			m.Depth = max(2, min(bad*bad/40, 300)-max(0, bad-120)*5)
		}
		if !at.Before(from) {
			minutes = append(minutes, m)
		}
	}
	return minutes, nil
}

// samples are the lines of a file with real events.
func samples(t *testing.T, file string) [][]byte {
	t.Helper()
	content, err := os.ReadFile("testdata/" + file)
	require.NoError(t, err)
	return bytes.Split(bytes.TrimSpace(content), []byte("\n"))
}

// fill puts real events into both DLQs: each as an event that failed, and as a callback that was answered with 503.
func (s *site) fill() {
	s.t.Helper()
	for i, line := range samples(s.t, "loyalty-events.ndjson") {
		message := fmt.Sprintf("account %d is closed", i+1)
		if i == 0 {
			message = "dial tcp 10.0.0.7:5432: connection refused"
		}
		s.bury(fmt.Sprintf("order-%02d", i+1), line, message)
	}
	for i, line := range samples(s.t, "webhook-events.ndjson") {
		s.bury(fmt.Sprintf("hook-%02d", i+1), line, fmt.Sprintf("lock of shard %d was not free within 5s", i))
	}
}

// bury puts an event, and its callback, into the DLQs.
func (s *site) bury(id string, event []byte, message string) {
	s.t.Helper()
	s.add(dlq.Entry{Queue: "events", MessageID: id, Payload: event, Failure: dlq.Failure{Type: "*loyalty.Error", Message: message},
		Attempts: retry.History{{Number: 1, StartedAt: time.Now().Add(-time.Hour), DurationMS: 1503, Error: message},
			{Number: 2, StartedAt: time.Now(), DurationMS: 48, Error: message}}})
	callback := fmt.Appendf(nil, `{"url":"https://hooks.example/%s","method":"POST","headers":{"X-Tenant":"acme"},"body":%s}`, id, event)
	s.add(dlq.Entry{Queue: "callbacks", MessageID: "callback-" + id, CorrelationID: id, Payload: callback,
		Failure: dlq.Failure{Type: "*callback.StatusError", Message: message},
		Attempts: retry.History{{Number: 1, StartedAt: time.Now(), DurationMS: 12, Error: message, ResponseStatus: 503,
			ResponseBody: `{"error":"down for maintenance"}`}}})
}

func (s *site) add(entry dlq.Entry) {
	s.t.Helper()
	entry.Topic = s.topic(entry.Queue)
	if entry.CorrelationID == "" {
		entry.CorrelationID = entry.MessageID
	}
	entry.AcceptedAt = time.Now().Add(-61 * time.Minute)
	require.NoError(s.t, s.backend.DeadLetters.Add(context.Background(), entry))
}

// depth is how many entries the DLQ holds.
func (s *site) depth(queue string) int64 {
	s.t.Helper()
	stats, err := s.backend.DeadLetters.Stat(context.Background(), queue)
	require.NoError(s.t, err)
	return stats.Count
}
