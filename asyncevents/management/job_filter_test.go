package management

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/retry"
)

// jobAnswer is what tests read of a job.
type jobAnswer struct {
	ID, State string
	Total     int64
	Filter    map[string]any
	Outcome   map[string]int64
	Canary    map[string]float64
	StopOver  float64 `json:"stop_over_percent"`
	Single    bool    `json:"single_attempt"`
}

// A dry run says how many entries are meant, and starts nothing; the job moves those and no others.
func TestJobOfFilter(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.addFound()
	_, err := b.backend.Jobs.Job(t.Context(), "events")
	got := b.do(http.MethodPost, jobPath, `{"error":"account","dry_run":true}`)
	assert.Equal(t, http.StatusOK, got.Code)
	assert.JSONEq(t, `{"dry_run":true,"count":3,"up_to":"6"}`, got.text)
	assert.JSONEq(t, `{"dry_run":true,"count":6,"up_to":"6"}`, b.do(http.MethodPost, jobPath, `{"dry_run":true}`).text)
	_, after := b.backend.Jobs.Job(t.Context(), "events")
	require.Equal(t, err, after, "nothing was started")

	got = b.do(http.MethodPost, jobPath,
		`{"error":"account","attributes":{"data.tier":"Gold"},"canary":{"entries":1,"min_processed_percent":50},"stop_over_percent":25,"single_attempt":true}`)
	require.Equal(t, http.StatusAccepted, got.Code, got.text)
	job := decode[jobAnswer](t, got)
	assert.EqualValues(t, 2, job.Total)
	assert.Equal(t, map[string]any{"error": "account", "attributes": map[string]any{"data.tier": "Gold"}}, job.Filter)
	assert.Equal(t, map[string]float64{"entries": 1, "min_processed_percent": 50}, job.Canary)
	assert.InDelta(t, 25, job.StopOver, 0)
	assert.True(t, job.Single)
	assert.Equal(t, map[string]int64{"processed": 0, "refused": 0, "came_back": 0, "waiting": 0}, job.Outcome)
}

// TestCanaryHasToBeProcessedWhole holds that a canary is no formality when nobody says how much of it has to be processed.
func TestCanaryHasToBeProcessedWhole(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.addMany(2)
	got := b.do(http.MethodPost, jobPath, `{"canary":{"entries":1}}`)
	require.Equal(t, http.StatusAccepted, got.Code, got.text)
	assert.Equal(t, map[string]float64{"entries": 1, "min_processed_percent": 100}, decode[jobAnswer](t, got).Canary)

	b = newBundle(t, nil)
	b.addMany(2)
	b.submit("queues/events/retry-job", url.Values{"canary": {"1"}, "canary_percent": {""}})
	job, err := b.core.jobs.Job(t.Context(), "events")
	require.NoError(t, err)
	assert.Equal(t, retry.Canary{Entries: 1, MinProcessedPercent: 100}, job.Options.Canary)

	b = newBundle(t, nil)
	b.addMany(2)
	got = b.do(http.MethodPost, jobPath, `{}`)
	assert.Empty(t, decode[jobAnswer](t, got).Canary)
	job, err = b.core.jobs.Job(t.Context(), "events")
	require.NoError(t, err)
	assert.Zero(t, job.Options.Canary)
}

func TestJobRefusesOptions(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.addMany(1)
	for _, body := range []string{
		`{"canary":{"entries":-1,"min_processed_percent":50}}`, `{"canary":{"entries":1,"other":50}}`, `{"canary":3}`,
		`{"stop_over_percent":101}`, `{"stop_over_percent":"x"}`, `{"dry_run":1}`, `{"q":7}`, `{"from":"2026-02-01T00:00:00Z","to":"2026-01-01T00:00:00Z"}`,
	} {
		got := b.do(http.MethodPost, jobPath, body)
		assert.Equal(t, http.StatusBadRequest, got.Code, body)
	}
	assert.EqualValues(t, 1, b.depth())
}

// A job is paused and resumed, and the history has it.
func TestJobPauseAndHistory(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.addMany(3)
	assert.JSONEq(t, `{"jobs":[]}`, b.do(http.MethodGet, jobPath+"s", "").text)
	assert.Equal(t, http.StatusNotFound, b.do(http.MethodPost, jobPath+"/pause", "").Code)
	first := decode[jobAnswer](t, b.do(http.MethodPost, jobPath, ""))
	got := b.do(http.MethodPost, jobPath+"/resume", "")
	assert.Equal(t, http.StatusConflict, got.Code)
	assert.Equal(t, CodeJobNotPaused, code(t, got))
	assert.Equal(t, "paused", decode[jobAnswer](t, b.do(http.MethodPost, jobPath+"/pause", "")).State)
	assert.Contains(t, b.do(http.MethodGet, "queues/events", "").text, "retry-job/resume")
	assert.Equal(t, "running", decode[jobAnswer](t, b.do(http.MethodPost, jobPath+"/resume", "")).State)
	assert.Contains(t, b.do(http.MethodGet, "queues/events", "").text, "retry-job/pause")

	job, err := b.backend.Jobs.Claim(t.Context(), "events", "test", waitLimit)
	require.NoError(t, err)
	job.State = "completed"
	require.NoError(t, b.backend.Jobs.Save(t.Context(), "test", job))
	second := decode[jobAnswer](t, b.do(http.MethodPost, jobPath, ""))
	page := decode[struct {
		Jobs       []jobAnswer
		NextCursor string `json:"next_cursor"`
	}](t, b.do(http.MethodGet, jobPath+"s?limit=1", ""))
	require.Len(t, page.Jobs, 1)
	assert.Equal(t, second.ID, page.Jobs[0].ID)
	rest := decode[struct{ Jobs []jobAnswer }](t, b.do(http.MethodGet, jobPath+"s?cursor="+page.NextCursor, ""))
	require.Len(t, rest.Jobs, 1)
	assert.Equal(t, first.ID, rest.Jobs[0].ID)
}
