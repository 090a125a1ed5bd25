package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
)

// patience is how long tests wait for what must come.
const patience = 20 * time.Second

// quiet is a log for nobody.
var quiet = slog.New(slog.DiscardHandler)

// site is a server, in this process or another, and how a test talks to it.
type site struct {
	base string
	http *http.Client
}

func newSite(t *testing.T, base string) *site {
	transport := &http.Transport{MaxIdleConnsPerHost: 32}
	t.Cleanup(transport.CloseIdleConnections)
	return &site{base: base, http: &http.Client{Transport: transport, Timeout: patience}}
}

// request returns a request below base; a header is "Name: value".
func (s *site) request(t *testing.T, method, path, body string, headers ...string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.base+path, strings.NewReader(body))
	require.NoError(t, err)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		r.Header.Set(name, value)
		if name == "Host" {
			r.Host = value
		}
	}
	return r
}

func (s *site) do(t *testing.T, method, path, body string, headers ...string) (status int, answer string) {
	t.Helper()
	response, err := s.http.Do(s.request(t, method, path, body, headers...))
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(text)
}

// accept sends an event whose data asks for that trouble.
func (s *site) accept(t *testing.T, id, simulate string) {
	t.Helper()
	status, answer := s.do(t, http.MethodPost, eventsPath, eventBody(id, simulate))
	require.Equal(t, http.StatusAccepted, status, answer)
}

// eventBody is an event; without an id it gets one from the server.
func eventBody(id, simulate string) string {
	if id != "" {
		id = `"correlation_id":"` + id + `",`
	}
	return `{` + id + `"customer":"c","action":"point_add","data":{"points":1,"simulate":` + simulate + `}}`
}

func (s *site) status(t *testing.T, id string) sampleStatus {
	t.Helper()
	status, text := s.do(t, http.MethodGet, eventsPath+"/"+id, "")
	require.Equal(t, http.StatusOK, status, text)
	var answer struct{ Payload sampleStatus }
	require.NoError(t, json.Unmarshal([]byte(text), &answer))
	return answer.Payload
}

func (s *site) await(t *testing.T, id string, want asyncevents.Status) sampleStatus {
	t.Helper()
	seen := s.status(t, id)
	for end := time.Now().Add(patience); seen.Status != want; seen = s.status(t, id) {
		require.True(t, time.Now().Before(end), "%s is not %s but %s after %d attempts", id, want, seen.Status, seen.Attempts)
		time.Sleep(5 * time.Millisecond)
	}
	return seen
}

// queue returns how many entries the DLQ has, and how many messages are in flight.
func (s *site) queue(t *testing.T, name string) (depth, inFlight int64) {
	t.Helper()
	status, text := s.do(t, http.MethodGet, managePath+"/api/queues/"+name, "")
	require.Equal(t, http.StatusOK, status, text)
	var answer struct {
		Depth   int64 `json:"depth"`
		Backlog struct {
			InFlight int64 `json:"in_flight"`
		} `json:"backlog"`
	}
	require.NoError(t, json.Unmarshal([]byte(text), &answer))
	return answer.Depth, answer.Backlog.InFlight
}

// eventually waits on the test's own goroutine, so that what is asked may end the test.
func eventually(t *testing.T, condition func() bool, message string, args ...any) {
	t.Helper()
	for end := time.Now().Add(patience); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			require.FailNowf(t, "waited in vain", message, args...)
		}
	}
}

// running is a server in this process.
type running struct {
	*site
	server *server
	out    *output
	stop   func() error
}

// start starts a server on a free port: in memory, without samples, with short waits, unless args say otherwise.
func start(t *testing.T, args ...string) *running {
	t.Helper()
	args = append([]string{"-addr", "127.0.0.1:0", "-backend", "memory", "-samples=false", "-backoff", "20ms",
		"-exports", t.TempDir()}, args...)
	o, err := parseOptions(args, io.Discard)
	require.NoError(t, err)
	s, err := newServer(t.Context(), o, quiet)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{site: newSite(t, s.baseURL()), server: s, out: &output{}}
	ended := make(chan error, 1)
	go func() { ended <- s.run(ctx, r.out) }()
	r.stop = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(func() { assert.NoError(t, r.stop()) })
	return r
}

// output is what a server prints.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write appends.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

// String returns all of it.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
