package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/asyncevents/management"
	"github.com/redrive-go/redrive/backends/memory"
	"github.com/redrive-go/redrive/export"
	"github.com/redrive-go/redrive/retry"
)

// How long and how often tests look for what happens in the background.
const (
	waitLimit = 20 * time.Second
	waitTick  = 5 * time.Millisecond
)

// token is the one of every server here.
const token = "s3cret"

// cli runs the program against one server.
type cli struct {
	t     *testing.T
	env   map[string]string
	stdin io.Reader
}

func newCLI(t *testing.T, url string) *cli {
	return &cli{t: t, stdin: strings.NewReader(""), env: map[string]string{"REDRIVE_URL": url, "REDRIVE_TOKEN": token}}
}

// result is how a run ended.
type result struct {
	code           int
	stdout, stderr string
}

func (c *cli) run(args ...string) result {
	c.t.Helper()
	return c.runContext(c.t.Context(), args...)
}

func (c *cli) runContext(ctx context.Context, args ...string) result {
	var stdout, stderr bytes.Buffer
	code := run(ctx, args, c.stdin, &stdout, &stderr, func(name string) string { return c.env[name] })
	return result{code, stdout.String(), stderr.String()}
}

// ok is run for what has to go well.
func (c *cli) ok(args ...string) string {
	c.t.Helper()
	got := c.run(args...)
	require.Zero(c.t, got.code, "%v: %s%s", args, got.stdout, got.stderr)
	return got.stdout
}

// lines are those of a text.
func lines(text string) []string { return strings.Split(strings.TrimSuffix(text, "\n"), "\n") }

// service is a real one at /manage/, on the memory backend. Its processor fails until it is mended.
type service struct {
	*cli
	*asyncevents.Service
	backend *asyncevents.Backend
	mended  atomic.Bool
	// sent is how many events came in.
	sent int
}

func newService(t *testing.T) *service {
	t.Helper()
	s := &service{backend: memory.New()}
	folder, err := export.NewFolder(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, folder.Close()) })
	quiet := slog.New(slog.DiscardHandler)
	s.Service, err = asyncevents.New(s.backend, s.process, &asyncevents.Config{Exports: folder, Logger: quiet})
	require.NoError(t, err)
	handler, err := management.Handler(s.Service, management.Token(token), &management.Config{Logger: quiet})
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.Handle("/manage/", handler)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended)
		require.NoError(t, s.backend.Close())
	})
	s.cli = newCLI(t, server.URL+"/manage")
	return s
}

func (s *service) process(context.Context, asyncevents.Event) (any, error) {
	if s.mended.Load() {
		return "done", nil
	}
	return nil, retry.Permanent(errors.New("no \x1b[31mluck\u202e"))
}

// fail has so many more events fail into the DLQ.
func (s *service) fail(n int) {
	s.t.Helper()
	before := s.depth()
	for range n {
		s.sent++
		body := fmt.Sprintf(`{"correlation_id":"event-%03d","action":"pay","data":{"n":%d}}`, s.sent, s.sent)
		_, err := s.Accept(s.t.Context(), asyncevents.Submission{Body: []byte(body)})
		require.NoError(s.t, err)
	}
	require.Eventually(s.t, func() bool { return s.depth() == before+int64(n) }, waitLimit, waitTick)
}

// queue is how the DLQ of events stands.
func (s *service) queue() queueStatus {
	s.t.Helper()
	var status queueStatus
	require.NoError(s.t, json.Unmarshal([]byte(lines(s.ok("queues", "-output", "json"))[0]), &status))
	return status
}

func (s *service) depth() int64 {
	s.t.Helper()
	return s.queue().Depth
}

// ids are those of the entries in the DLQ of events.
func (s *service) ids() []string {
	s.t.Helper()
	var ids []string
	for _, line := range lines(s.ok("list", "events", "-all", "-output", "json")) {
		var e entry
		require.NoError(s.t, json.Unmarshal([]byte(line), &e))
		ids = append(ids, e.ID)
	}
	return ids
}

// fake is a server that answers as a test says, and remembers what it was asked.
type fake struct {
	*cli
	mu     sync.Mutex
	asked  []asked
	answer func(w http.ResponseWriter, r *http.Request, n int)
}

// asked is one request.
type asked struct {
	what   string // method and path
	query  map[string][]string
	body   string
	header http.Header
}

// newFake serves answer, which gets the number of the request, from 1.
func newFake(t *testing.T, answer func(w http.ResponseWriter, r *http.Request, n int)) *fake {
	f := &fake{answer: answer}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	f.cli = newCLI(t, server.URL+"/manage")
	return f
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	f.mu.Lock()
	f.asked = append(f.asked, asked{r.Method + " " + r.URL.Path, r.URL.Query(), string(body), r.Header.Clone()})
	n := len(f.asked)
	f.mu.Unlock()
	f.answer(w, r, n)
}

// requests are those that came in so far.
func (f *fake) requests() []asked {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked
}

// says is an answer that is always the same.
func says(status int, body string) func(http.ResponseWriter, *http.Request, int) {
	return func(w http.ResponseWriter, _ *http.Request, _ int) { reply(w, status, body) }
}

func reply(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

// refusal is the body of an error.
func refusal(code int, message string) string {
	text, _ := json.Marshal(message)
	return fmt.Sprintf(`{"status":"error","error":{"type":"Exception","code":%d,"message":%s}}`, code, text)
}

// terminal is a stream that says that it is one.
type terminal struct {
	io.Reader
	bytes.Buffer
}

func (t *terminal) Read(p []byte) (int, error) { return t.Reader.Read(p) }
func (*terminal) Stat() (fs.FileInfo, error)   { return device{}, nil }
func typing(text string) *terminal             { return &terminal{Reader: strings.NewReader(text)} }

// device is the file of a terminal.
type device struct{ fs.FileInfo }

func (device) Mode() fs.FileMode { return fs.ModeDevice | fs.ModeCharDevice }
