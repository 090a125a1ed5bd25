package management

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/retry"
)

// A job says what became of what it moved, and leads to what came back.
func TestOutcomeLeadsToWhatCameBack(t *testing.T) {
	t.Parallel()
	got := becameOf(&retry.Job{ID: "j 1", Moved: 10, Outcome: retry.Outcome{Processed: 3, Refused: 1, CameBack: 2}})
	assert.EqualValues(t, 4, got.Waiting)
	assert.Equal(t, "entries?job=j+1", got.CameBackURL)
	got = becameOf(&retry.Job{Moved: 1, Outcome: retry.Outcome{Processed: 2}})
	assert.Zero(t, got.Waiting)
	assert.Empty(t, got.CameBackURL)
}

// TestJobsPageLeadsToWhatCameBack shows the history with its outcomes.
func TestJobsPageLeadsToWhatCameBack(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	assert.Contains(t, b.do(http.MethodGet, "queues/events/jobs", "").text, "No retry job has run yet.")
	b.addMany(2)
	form := url.Values{filterError: {"luck"}, "canary": {"1"}, "canary_percent": {"90"}, "single_attempt": {"true"}}
	require.Equal(t, http.StatusSeeOther, b.submit("queues/events/retry-job", form).Code)
	page := b.do(http.MethodGet, "queues/events/jobs", "").text
	assert.Contains(t, page, "canary of 1 at 90 %, a single attempt")
	assert.Contains(t, page, "<code>{&#34;error&#34;:&#34;luck&#34;}</code>")
	assert.Contains(t, page, "0 of 2")
	assert.Contains(t, b.do(http.MethodGet, "queues/events", "").text, `href="../queues/events/jobs"`)
}
