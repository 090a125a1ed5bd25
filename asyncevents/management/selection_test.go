package management

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestSelected lists, counts, exports and erases the entries that somebody selected, through the API.
func TestSelected(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.addFound()
	ids := b.ids()
	assert.Equal(t, []string{"account 1 closed", "account 3 closed"}, b.shown("ids="+ids[5]+"&ids="+ids[1]))
	assert.Equal(t, []string{"account 3 closed"}, b.shown("ids="+ids[5]+"&ids="+ids[1]+"&action=use"))
	body := `{"ids":["` + ids[5] + `","` + ids[1] + `"],"dry_run":true}`
	assert.JSONEq(t, `{"dry_run":true,"count":2,"up_to":"6"}`, b.do(http.MethodPost, jobPath, body).text)
	got := b.do(http.MethodDelete, "api/queues/events/entries?confirm=6&ids="+ids[0], "")
	assert.Equal(t, http.StatusConflict, got.Code)
	got = b.do(http.MethodDelete, "api/queues/events/entries?confirm=1&ids="+ids[0], "")
	assert.JSONEq(t, `{"erased":1}`, got.text)
	assert.EqualValues(t, 5, b.depth())
	got = b.do(http.MethodPost, jobPath, strings.Replace(body, "true", "false", 1))
	require.Equal(t, http.StatusAccepted, got.Code, got.text)
	job, err := b.core.jobs.Job(t.Context(), "events")
	require.NoError(t, err)
	assert.EqualValues(t, 2, job.Total)
	assert.JSONEq(t, `{"ids":["`+ids[5]+`","`+ids[1]+`"]}`, job.Options.Criteria)
}

// TestSelectedOnThePage offers what may be done with ticked entries, and erases them after their number was typed.
func TestSelectedOnThePage(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.addFound()
	ids := b.ids()
	for denied, offer := range map[Action]string{ActionRetry: "Retry ticked", ActionExport: "Export ticked", ActionErase: "Erase ticked…"} {
		b.authorize = allowAll
		assert.Contains(t, b.do(http.MethodGet, "queues/events", "").text, offer)
		b.authorize = butFor(denied)
		assert.NotContains(t, b.do(http.MethodGet, "queues/events", "").text, offer)
		b.authorize = only(ActionView)
		assert.NotContains(t, b.do(http.MethodGet, "queues/events", "").text, `type="checkbox"`)
	}
	b.authorize = allowAll
	selected := url.Values{filterIDs: {ids[0], ids[4]}, paramCount: {"1"}}
	page := b.do(http.MethodGet, "queues/events?"+selected.Encode(), "").text
	assert.Contains(t, textOf(t, page), "2 of 6 entries.")
	assert.Contains(t, textOf(t, page), "Among the 2 selected entries only.")
	assert.Contains(t, page, `<input type="hidden" name="ids" value="`+ids[4]+`">`)
	selected.Set(paramConfirm, "3")
	got := b.submit("queues/events/erase", selected)
	assert.Contains(t, got.Header().Get("Location"), "ids="+ids[4], "they stay selected for another try")
	selected.Set(paramConfirm, "2")
	got = b.submit("queues/events/erase", selected)
	assert.NotContains(t, got.Header().Get("Location"), "ids=")
	assert.EqualValues(t, 4, b.depth())
	got = b.submit("queues/events/retry-job", url.Values{filterIDs: {ids[1]}, paramSelected: {"true"}})
	assert.Contains(t, got.Header().Get("Location"), "flash=job-started")
	job, err := b.core.jobs.Job(t.Context(), "events")
	require.NoError(t, err)
	assert.EqualValues(t, 1, job.Total)
}

// TestNothingSelected holds that a call for some entries which names none does not mean all of them.
func TestNothingSelected(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.addFound()
	for _, path := range []string{jobPath, "api/queues/events/exports", "api/queues/events/erased/restore"} {
		for _, body := range []string{`{"ids":[]}`, `{"ids":null}`} {
			got := b.do(http.MethodPost, path, body)
			assert.Equal(t, http.StatusBadRequest, got.Code, path)
			assert.Equal(t, CodeNothingSelected, code(t, got), path)
		}
		assert.Equal(t, http.StatusBadRequest, b.do(http.MethodPost, path, `{"ids":[1]}`).Code, path)
	}
	for _, query := range []string{"ids=", "ids=x", "ids=0", "ids=1,2"} {
		assert.Equal(t, http.StatusBadRequest, b.do(http.MethodDelete, "api/queues/events/entries?confirm=6&"+query, "").Code, query)
	}
	for _, path := range []string{"queues/events/retry-job", "queues/events/exports"} {
		got := b.submit(path, url.Values{paramSelected: {"true"}})
		assert.Equal(t, http.StatusSeeOther, got.Code, path)
		assert.Contains(t, got.Header().Get("Location"), "flash=203505", path)
	}
	_, err := b.core.jobs.Job(t.Context(), "events")
	require.Error(t, err, "nothing was started")
	assert.EqualValues(t, 6, b.depth())
}
