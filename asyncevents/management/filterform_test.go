package management

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/redrive-go/redrive/dlq"
)

// TestPageShowsWhatTheFilterFinds fills the form in as a browser does, with all other fields empty.
func TestPageShowsWhatTheFilterFinds(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.addFound()
	for query, want := range map[string][]string{
		"q=&error=account&from=&min_redrives=":              {"account 1 closed", "account 2 closed", "account 3 closed"},
		"correlation_id=event-1":                            {"host 10.0.0.2 refused", "account 2 closed"},
		"attribute=data.tier%3DGold&attribute=action%3Duse": {"account 2 closed", "host 10.0.0.3 refused", "account 3 closed"},
		"action=use&error=host":                             {"host 10.0.0.3 refused"},
		"q=nothing":                                         nil,
	} {
		page := b.do(http.MethodGet, "queues/events?"+query, "").text
		for _, message := range []string{"host 10.0.0.1 refused", "account 1 closed", "host 10.0.0.2 refused", "account 2 closed",
			"host 10.0.0.3 refused", "account 3 closed"} {
			found := strings.Contains(page, "</code> "+message)
			assert.Equal(t, slices.Contains(want, message), found, "%s: %s", query, message)
		}
		assert.Equal(t, want == nil, strings.Contains(page, "Nothing here is meant by this filter."), query)
	}
	assert.Contains(t, b.do(http.MethodGet, "queues/events?from=yesterday", "").text, "must be a time such as")
}

// TestNextPageKeepsTheFilter follows the link to the next page.
func TestNextPageKeepsTheFilter(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.addFound()
	page, err := html.Parse(strings.NewReader(
		b.do(http.MethodGet, "queues/events?limit=1&error=account&attribute=data.tier%3DGold&attribute=action%3Duse", "").text))
	require.NoError(t, err)
	var next string
	for node := range page.Descendants() {
		if node.DataAtom == atom.A && attribute(node, "rel") == "next" {
			next = attribute(node, "href")
		}
	}
	link, err := url.Parse(next)
	require.NoError(t, err)
	assert.Equal(t, "../queues/events", link.Path)
	query := link.Query()
	assert.NotEmpty(t, query.Get(paramCursor))
	assert.Equal(t, "1", query.Get(paramLimit))
	assert.Equal(t, "account", query.Get(filterError))
	assert.Equal(t, []string{"data.tier=Gold", "action=use"}, query[filterAttribute])
	second := b.do(http.MethodGet, "queues/events?"+link.RawQuery, "").text
	assert.Contains(t, second, "</code> account 3 closed")
	assert.NotContains(t, second, "host 10.0.0")
}

// TestCausesOnThePage retries the entries of one cause, and leaves the others.
func TestCausesOnThePage(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.addFound()
	cause := dlq.Failure{Type: "error", Message: "account 9 closed"}.Signature()
	page := b.do(http.MethodGet, "queues/events", "").text
	assert.Contains(t, page, "account &lt;n&gt; closed")
	assert.Contains(t, page, "queues/events?signature="+cause)
	assert.Contains(t, page, `name="signature" value="`+cause+`"`)

	require.Equal(t, http.StatusSeeOther, b.submit("queues/events/retry-job", url.Values{filterSignature: {cause}}).Code)
	job, err := b.core.jobs.Job(t.Context(), "events")
	require.NoError(t, err)
	assert.EqualValues(t, 3, job.Total)
	assert.NotContains(t, b.do(http.MethodGet, "queues/events", "").text, "Retry these", "one job at a time")
}

// TestFilterFormFollowsRights offers no search of payloads to whoever may not see them.
func TestFilterFormFollowsRights(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.addFound()
	assert.Contains(t, b.do(http.MethodGet, "queues/events", "").text, `name="attribute"`)
	b.authorize = butFor(ActionViewPayload)
	page := b.do(http.MethodGet, "queues/events", "").text
	for _, field := range payloadForm {
		assert.NotContains(t, page, `name="`+field.Name+`"`)
	}
	assert.Contains(t, page, `name="error"`)
	assert.Equal(t, http.StatusForbidden, b.do(http.MethodGet, "queues/events?q=gold", "").Code)
}
