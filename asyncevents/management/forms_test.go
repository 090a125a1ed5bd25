package management

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/export"
	"github.com/redrive-go/redrive/retry"
)

// TestJobFormTakesAllOptions fills in the form of a careful job under a filter, as a browser does.
func TestJobFormTakesAllOptions(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.addFound()
	form := url.Values{filterError: {"account"}, "canary": {"2"}, "canary_percent": {"99.5"}, "stop_over_percent": {"10"},
		"single_attempt": {"true"}}
	got := b.submit("queues/events/retry-job", form)
	require.Equal(t, "../../queues/events?error=account&flash="+flashJobStarted, got.Header().Get("Location"), "the filter stays")
	job, err := b.core.jobs.Job(t.Context(), "events")
	require.NoError(t, err)
	assert.EqualValues(t, 3, job.Total)
	assert.Equal(t, retry.Canary{Entries: 2, MinProcessedPercent: 99.5}, job.Options.Canary)
	assert.InDelta(t, 10, job.Options.StopOverPercent, 0)
	assert.True(t, job.Options.SingleAttempt)
}

// TestJobFormRefusesWhatIsNoNumber holds that a form's text gets nothing past the checks of the API.
func TestJobFormRefusesWhatIsNoNumber(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.addMany(2)
	for _, form := range []url.Values{
		{"canary": {"some"}}, {"canary": {`1,"entries":2`}}, {"canary": {"1}"}}, {"canary": {"10001"}}, {"canary": {"-1"}},
		{"canary": {"1"}, "canary_percent": {"101"}}, {"stop_over_percent": {`"5"`}}, {"stop_over_percent": {"101"}},
		{"single_attempt": {"perhaps"}},
	} {
		assert.Equal(t, http.StatusBadRequest, b.submit("queues/events/retry-job", form).Code, "%v", form)
	}
	got := b.submit("queues/events/retry-job", url.Values{"canary": {""}, "canary_percent": {"100"}, "stop_over_percent": {""}})
	assert.Equal(t, http.StatusSeeOther, got.Code, "empty fields are none")
}

// TestFilteredSetIsCountedAndErased erases what a filter means, once its number is known and typed.
func TestFilteredSetIsCountedAndErased(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.addFound()
	page := b.do(http.MethodGet, "queues/events?error=account", "").text
	assert.Contains(t, page, "<b>3</b> of 6 entries.", "all of them are on this page")
	assert.Contains(t, page, `href="../queues/events?count=1&amp;error=account#erase"`)
	assert.NotContains(t, page, `id="erase"`, "nobody erases what was not counted")
	page = b.do(http.MethodGet, "queues/events?count=1&error=account", "").text
	assert.Contains(t, page, "<b>3</b> of 6 entries.")
	assert.Contains(t, page, "Type the number of entries, 3, to erase them")
	assert.Contains(t, page, `<input type="hidden" name="error" value="account">`)
	assert.Contains(t, page, `<input type="hidden" name="up_to" value="6">`)

	assert.NotContains(t, b.do(http.MethodGet, "queues/events?count=1&error=nothing", "").text, `id="erase"`, "there is nothing to erase")

	b.addEntry(dlq.Entry{MessageID: "late", Failure: dlq.Failure{Message: "account 4 closed"}, Payload: []byte("{}")})
	form := url.Values{filterError: {"account"}, filterUpTo: {"6"}, "confirm": {"6"}}
	got := b.submit("queues/events/erase", form)
	assert.Equal(t, "../../queues/events?error=account&flash=203531", got.Header().Get("Location"))
	assert.EqualValues(t, 7, b.depth())
	form.Set("confirm", "3")
	b.submit("queues/events/erase", form)
	assert.EqualValues(t, 4, b.depth(), "what came in after the page was made stays")

	page = b.do(http.MethodGet, "queues/events/erased", "").text
	assert.Contains(t, page, "</code> account 2 closed")
	assert.NotContains(t, page, "host 10.0.0.1")
	got = b.submit("queues/events/erased/restore", url.Values{filterError: {"account 2"}})
	assert.Equal(t, "../../../queues/events/erased?error=account+2&flash=restored", got.Header().Get("Location"))
	assert.EqualValues(t, 5, b.depth())
	b.submit("queues/events/erased/restore", nil)
	assert.EqualValues(t, 7, b.depth())
	assert.Contains(t, b.do(http.MethodGet, "queues/events/erased", "").text, "Nothing that was erased is kept.")
}

// TestExportFormTakesFilterAndFormat exports what the filter of the page means.
func TestExportFormTakesFilterAndFormat(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.addFound()
	form := url.Values{filterError: {"account"}, fieldFormat: {export.FormatNDJSON}}
	require.Equal(t, http.StatusSeeOther, b.submit("queues/events/exports", form).Code)
	records, err := b.core.exports.List(t.Context(), "events", 1)
	require.NoError(t, err)
	assert.Equal(t, export.FormatNDJSON, records[0].Format)
	assert.Equal(t, dlq.Filter{Error: "account"}, records[0].Filter)
	assert.Equal(t, http.StatusBadRequest, b.submit("queues/events/exports", url.Values{fieldFormat: {"xml"}}).Code)
}
