package management

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/retry"
)

const jobPath = "api/queues/events/retry-job"

type jobReply struct {
	ID        string
	State     retry.State
	StartedBy string `json:"started_by"`
	Total     int64
	Moved     int64
	Remaining int64
}

func TestJobThatNeverWas(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	for _, method := range []string{http.MethodGet, http.MethodDelete} {
		got := b.do(method, jobPath, "")
		assert.Equal(t, http.StatusNotFound, got.Code)
		assert.Equal(t, CodeJobNotFound, code(t, got))
	}
	assert.NotContains(t, b.do(http.MethodGet, "api/queues/events", "").text, "retry_job")
}

func TestJobStartsOnceAndStops(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.addMany(3)
	got := b.do(http.MethodPost, jobPath, "")
	assert.Equal(t, http.StatusAccepted, got.Code)
	started := decode[jobReply](t, got)
	assert.Equal(t, jobReply{ID: started.ID, State: retry.StateRunning, StartedBy: "alice", Total: 3, Remaining: 3}, started)
	row := b.audit()[0]
	assert.Equal(t, asyncevents.AuditRow{ID: row.ID, At: row.At, Actor: "alice", Action: "retry_job_start",
		Queue: "events", Target: started.ID, Count: 3, Outcome: outcomeAllowed}, row)

	got = b.do(http.MethodPost, jobPath, "{}")
	assert.Equal(t, http.StatusConflict, got.Code)
	assert.Equal(t, CodeJobRunning, code(t, got))
	assert.Equal(t, http.StatusAccepted, b.do(http.MethodPost, "api/queues/callbacks/retry-job", "").Code)

	assert.Equal(t, started, decode[jobReply](t, b.do(http.MethodGet, jobPath, "")))
	assert.Contains(t, b.do(http.MethodGet, "api/queues", "").text, started.ID)

	got = b.do(http.MethodDelete, jobPath, "")
	assert.Equal(t, http.StatusAccepted, got.Code)
	assert.Equal(t, retry.StateStopping, decode[jobReply](t, got).State)
	assert.Equal(t, "retry_job_stop", b.audit()[0].Action)
}

func TestJobMovesEverything(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.addMany(5)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.core.jobs.Run(ctx) }()
	b.do(http.MethodPost, jobPath, "")
	require.Eventually(t, func() bool {
		return decode[jobReply](t, b.do(http.MethodGet, jobPath, "")).State == retry.StateCompleted
	}, waitLimit, waitTick)
	job := decode[jobReply](t, b.do(http.MethodGet, jobPath, ""))
	assert.EqualValues(t, 5, job.Moved)
	assert.Zero(t, job.Remaining)
	assert.Zero(t, b.depth())
	cancel()
	require.NoError(t, <-ended)
	assert.Equal(t, http.StatusNotFound, b.do(http.MethodDelete, jobPath, "").Code)
}

func TestJobRefusesWhatItCannotDo(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.addMany(2)
	tests := map[string]int{
		`{"filter":{"error":"x"}}`:       CodeUnsupported,
		`{"dryrun":true}`:                CodeUnsupported,
		`[]`:                             asyncevents.CodeMalformed,
		`null`:                           asyncevents.CodeMalformed,
		`{} {}`:                          asyncevents.CodeMalformed,
		`{`:                              asyncevents.CodeMalformed,
		`{"dry_run":1,"dry_run":2}`:      asyncevents.CodeMalformed,
		"{\"\xff\":1}":                   asyncevents.CodeMalformed,
		`{"a\u0000b` + "\u202e" + `":1}`: CodeUnsupported,
	}
	for body, want := range tests {
		got := b.do(http.MethodPost, jobPath, body)
		assert.Equal(t, http.StatusBadRequest, got.Code, body)
		assert.Equal(t, want, code(t, got), body)
	}
	assert.Contains(t, b.do(http.MethodPost, jobPath, `{"dryrun":true}`).text, "dryrun")
	assert.Equal(t, http.StatusBadRequest, b.do(http.MethodPost, jobPath+"?q=x", "").Code)
	assert.Equal(t, http.StatusNotFound, b.do(http.MethodGet, jobPath, "").Code)
	for _, row := range b.audit() {
		assert.Equal(t, outcomeFailed, row.Outcome)
	}
	assert.Len(t, b.audit(), len(tests)+2)
}

func TestJobForms(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.addMany(2)
	assert.Contains(t, b.do(http.MethodGet, "queues/events", "").text, "Start a retry job")
	got := b.submit("queues/events/retry-job", nil)
	assert.Equal(t, "../../queues/events?flash="+flashJobStarted, got.Header().Get("Location"))
	page := b.do(http.MethodGet, "queues/events", "").text
	assert.Contains(t, page, "Stop the retry job")
	assert.Contains(t, page, "0 of 2")
	got = b.submit("queues/events/retry-job", nil)
	assert.Equal(t, "../../queues/events?flash=203530", got.Header().Get("Location"))
	got = b.submit("queues/events/retry-job/stop", nil)
	assert.Equal(t, "../../../queues/events?flash="+flashJobStopping, got.Header().Get("Location"))
	assert.Contains(t, b.do(http.MethodGet, "queues/events", "").text, "stopping")
}

// noSettings is a store whose settings cannot be read once a job has started, so that no end of it can be estimated.
type noSettings struct {
	retry.Store
	started *atomic.Bool
}

func (s noSettings) Start(ctx context.Context, job retry.Job) error {
	s.started.Store(true)
	return s.Store.Start(ctx, job)
}

func (s noSettings) Settings(ctx context.Context) (retry.Settings, error) {
	if s.started.Load() {
		return retry.Settings{}, errDown
	}
	return s.Store.Settings(ctx)
}

func TestJobThatStartedIsSaidToHave(t *testing.T) {
	t.Parallel()
	b := newBundle(t, func(backend *asyncevents.Backend) { backend.Jobs = noSettings{backend.Jobs, new(atomic.Bool)} })
	b.addMany(2)
	got := b.do(http.MethodPost, jobPath, "")
	assert.Equal(t, http.StatusAccepted, got.Code)
	assert.NotContains(t, got.text, "eta")
	assert.Equal(t, outcomeAllowed, b.audit()[0].Outcome)
	assert.Equal(t, http.StatusServiceUnavailable, b.do(http.MethodGet, "api/settings", "").Code)
}
