package management

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/memory"
	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/export"
	"github.com/redrive-go/redrive/retry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// errDown is what broken stores answer.
var errDown = errors.New("store is down")

// bundle is a handler at /manage/ over a memory backend, held against its description.
type bundle struct {
	t       *testing.T
	backend *asyncevents.Backend
	folder  *export.Folder
	core    *core
	mux     *http.ServeMux
	log     bytes.Buffer
	// cfg is the handler's, and may be changed between requests.
	cfg *Config
	// alarms are those that hold.
	alarms []asyncevents.Alarm
	// authorize may be replaced between requests.
	authorize Authorizer
}

func allowAll(*http.Request, Action) (string, error) { return "alice", nil }

// newBundle opens a memory backend; change, if not nil, replaces parts of it first.
func newBundle(t *testing.T, change func(*asyncevents.Backend)) *bundle {
	t.Helper()
	b := &bundle{t: t, backend: memory.New(), authorize: allowAll, mux: http.NewServeMux()}
	if change != nil {
		change(b.backend)
	}
	var err error
	b.folder, err = export.NewFolder(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.folder.Close()) })
	b.core = b.newCore()
	logger := slog.New(slog.NewTextHandler(&b.log, nil))
	authorize := func(r *http.Request, a Action) (string, error) { return b.authorize(r, a) }
	h, err := newHandler(b.core, authorize, &Config{Logger: logger})
	require.NoError(t, err)
	b.cfg = h.cfg
	b.mux.Handle("/manage/", described{t, h})
	return b
}

func (b *bundle) newCore() *core {
	manager := dlq.NewManager(b.backend.DeadLetters, slog.New(slog.DiscardHandler))
	runnerConfig := &retry.RunnerConfig{Logger: slog.New(slog.DiscardHandler)}
	runner, err := retry.NewRunner(b.backend.Jobs, manager, queueNames, runnerConfig)
	require.NoError(b.t, err)
	exporter, err := export.NewExporter(b.backend.Exports, b.backend.DeadLetters, b.folder,
		&export.Config{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(b.t, err)
	backlog := func(ctx context.Context, queue string) (asyncevents.Backlog, bool, error) {
		backlog, err := b.backend.Backlog(ctx, queue)
		return backlog, true, err
	}
	return &core{dlq: manager, jobs: runner, exports: exporter, audit: b.backend.Audit, erase: manager.Discard, backlog: backlog,
		event:   b.backend.Events.Find,
		topic:   func(queue string) string { return queue },
		traffic: b.backend.Traffic.Since, alarms: func() []asyncevents.Alarm { return b.alarms }}
}

// add puts an entry into the DLQ of events.
func (b *bundle) add(id, payload string) {
	b.t.Helper()
	b.addEntry(dlq.Entry{MessageID: id, Payload: []byte(payload)})
}

func (b *bundle) addEntry(entry dlq.Entry) {
	b.t.Helper()
	entry.Queue = cmp.Or(entry.Queue, asyncevents.EventsQueue)
	entry.Topic = cmp.Or(entry.Topic, entry.Queue)
	entry.CorrelationID = cmp.Or(entry.CorrelationID, entry.MessageID)
	entry.AcceptedAt = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	entry.Failure.Type = cmp.Or(entry.Failure.Type, "*errors.errorString")
	entry.Failure.Message = cmp.Or(entry.Failure.Message, "no luck")
	require.NoError(b.t, b.backend.DeadLetters.Add(b.t.Context(), entry))
}

func (b *bundle) addMany(n int) {
	b.t.Helper()
	for i := range n {
		b.add(fmt.Sprintf("event-%03d", i+1), fmt.Sprintf(`{"n":%d}`, i+1))
	}
}

// depth is how many entries the DLQ of events holds.
func (b *bundle) depth() int64 {
	b.t.Helper()
	stats, err := b.backend.DeadLetters.Stat(b.t.Context(), asyncevents.EventsQueue)
	require.NoError(b.t, err)
	return stats.Count
}

// ids are the ids of the DLQ of events.
func (b *bundle) ids() []string {
	b.t.Helper()
	entries, err := b.backend.DeadLetters.List(b.t.Context(), dlq.ListParams{Queue: asyncevents.EventsQueue, Limit: 1000})
	require.NoError(b.t, err)
	var ids []string
	for _, entry := range entries {
		ids = append(ids, fmt.Sprint(entry.ID))
	}
	return ids
}

// audit returns the rows, newest first.
func (b *bundle) audit() []asyncevents.AuditRow {
	b.t.Helper()
	rows, err := b.backend.Audit.List(b.t.Context(), asyncevents.AuditQuery{Limit: 1000})
	require.NoError(b.t, err)
	return rows
}

// reply is an answer with its body read.
type reply struct {
	*httptest.ResponseRecorder
	text string
}

// do sends a request to a path below the mount point. A body without a type is JSON.
func (b *bundle) do(method, path, body string, headers ...string) reply {
	b.t.Helper()
	r := httptest.NewRequestWithContext(b.t.Context(), method, "/manage/"+path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for pair := range slices.Chunk(headers, 2) {
		r.Header.Set(pair[0], pair[1])
	}
	w := httptest.NewRecorder()
	b.mux.ServeHTTP(w, r)
	return reply{w, w.Body.String()}
}

// submit posts a form of a page.
func (b *bundle) submit(path string, fields url.Values) reply {
	b.t.Helper()
	return b.do(http.MethodPost, path, fields.Encode(), "Content-Type", "application/x-www-form-urlencoded")
}

// pathOf fills in the variables of a route's pattern.
func pathOf(r *route) string { return pathTo(r, "1") }

// pathTo fills them in with that id.
func pathTo(r *route, id string) string {
	return strings.NewReplacer("{queue}", asyncevents.EventsQueue, "{id}", id).Replace(r.pattern)
}

// request sends a request without looking at the answer, for use from several goroutines.
func request(b *bundle, method, target string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	b.mux.ServeHTTP(w, httptest.NewRequestWithContext(b.t.Context(), method, target, http.NoBody))
	return w
}

// echo is a processor that does nothing.
func echo(context.Context, asyncevents.Event) (any, error) { return nil, nil }

// How long and how often tests look for what happens in the background.
const (
	waitLimit = 20 * time.Second
	waitTick  = 10 * time.Millisecond
)
