package management

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
)

// doable is what the routes that change something, or hand out a file, need to do it on a DLQ of three entries.
var doable = map[string]struct {
	// before makes what the call needs, and returns the {id} of its path.
	before func(*bundle) string
	// query and body are the call's, form that of a page.
	query, body string
	form        url.Values
	// upload is whether the form brings a file.
	upload bool
}{
	"POST queues/{queue}/erase":         {form: url.Values{"confirm": {"3"}}},
	"DELETE api/queues/{queue}/entries": {query: "?confirm=3"},

	"POST queues/{queue}/retry-job/stop":  {before: (*bundle).started},
	"DELETE api/queues/{queue}/retry-job": {before: (*bundle).started},

	"POST queues/{queue}/retry-job/pause":      {before: (*bundle).started},
	"POST queues/{queue}/retry-job/resume":     {before: (*bundle).paused},
	"POST api/queues/{queue}/retry-job/pause":  {before: (*bundle).started},
	"POST api/queues/{queue}/retry-job/resume": {before: (*bundle).paused},

	"POST exports/{id}/delete":               {before: (*bundle).exportedID},
	"DELETE api/exports/{id}":                {before: (*bundle).exportedID},
	"GET api/exports/{id}/download":          {before: (*bundle).exportedID},
	"POST settings":                          {form: url.Values{"batch_size": {"7"}, "cooldown_minutes": {"1"}}},
	"PUT api/settings":                       {body: `{"batch_size":7,"cooldown_minutes":1}`},
	"POST queues/{queue}/retry-one":          {},
	"POST queues/{queue}/entries/{id}/retry": {},
	"POST queues/{queue}/retry-job":          {},
	"POST queues/{queue}/exports":            {},

	"POST queues/{queue}/erased/restore":     {},
	"POST api/queues/{queue}/erased/restore": {},
	"POST api/queues/{queue}/import":         {query: "?to=dlq"},

	"POST queues/{queue}/import": {query: "?to=dlq", form: url.Values{}, upload: true},

	"POST queues/{queue}/entries/{id}/edit":     {form: url.Values{"payload": {`{"edited":true}`}, "step": {"retry"}}},
	"POST api/queues/{queue}/entries/{id}/edit": {body: `{"payload":{"edited":true}}`},

	"POST api/queues/{queue}/retry-one":          {},
	"POST api/queues/{queue}/entries/{id}/retry": {},
	"POST api/queues/{queue}/retry-job":          {},
	"POST api/queues/{queue}/exports":            {},
}

func (b *bundle) started() string {
	require.Equal(b.t, http.StatusAccepted, b.do(http.MethodPost, jobPath, "").Code)
	return ""
}

func (b *bundle) paused() string {
	b.started()
	require.Equal(b.t, http.StatusOK, b.do(http.MethodPost, jobPath+"/pause", "").Code)
	return ""
}

func (b *bundle) exportedID() string { return b.exported().ID }

// TestEachActionLeavesOneRow does all that there is to do: as somebody who may, from another origin, as somebody who may not,
// and with a broken Authorizer. A new route has to be audited, and to be added above.
func TestEachActionLeavesOneRow(t *testing.T) {
	t.Parallel()
	for _, route := range allRoutes() {
		if route.audit == "" {
			assert.Equal(t, http.MethodGet, route.method, "%s changes something and leaves no audit row", route.pattern)
			continue
		}
		assert.NotContains(t, []Action{ActionView, ActionViewPayload}, route.action, "%s is more than a look", route.pattern)
		name := route.method + " " + route.pattern
		how, known := doable[name]
		if !assert.True(t, known, "doable does not know how to do %q", name) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tries := map[string]struct {
				authorize Authorizer
				headers   []string
				outcome   string
				actor     string
			}{
				"allowed":      {allowAll, nil, outcomeAllowed, "alice"},
				"not allowed":  {butFor(route.action), nil, outcomeDenied, "alice"},
				"only to look": {only(ActionView, ActionViewPayload), nil, outcomeDenied, "alice"},
				"error":        {denials["error"], nil, outcomeDenied, "mallory"},
				"panic":        {denials["panic"], nil, outcomeDenied, ""},
			}
			if route.changes() {
				foreign := tries["allowed"]
				foreign.headers, foreign.outcome = []string{"Origin", "https://evil.example"}, outcomeDenied
				tries["another origin"] = foreign
			}
			for try, test := range tries {
				b := newBundle(t, nil)
				b.addMany(3)
				id := b.ids()[0]
				if how.before != nil {
					id = how.before(b)
				}
				rows, depth := len(b.audit()), b.depth()
				b.authorize = test.authorize
				path, body, headers := pathTo(route, id)+how.query, how.body, test.headers
				if how.form != nil {
					body, headers = how.form.Encode(), append([]string{"Content-Type", "application/x-www-form-urlencoded"}, headers...)
				}
				if how.upload {
					var kind string
					body, kind = fileForm(t, "")
					headers[1] = kind
				}
				got := b.do(route.method, path, body, headers...)
				require.Len(t, b.audit(), rows+1, "%s: %s", try, got.text)
				row := b.audit()[0]
				assert.Equal(t, route.audit, row.Action, try)
				assert.Equal(t, test.outcome, row.Outcome, "%s: %s", try, row.Detail)
				assert.Equal(t, test.actor, row.Actor, try)
				assert.False(t, row.At.IsZero())
				if test.outcome == outcomeAllowed {
					assert.Less(t, got.Code, 400, try)
					continue
				}
				assert.Equal(t, http.StatusForbidden, got.Code, try)
				assert.NotEmpty(t, row.Detail, try)
				assert.Zero(t, row.Count, try)
				assert.Equal(t, depth, b.depth(), "%s: nothing was done", try)
			}
		})
	}
}

// TestDownloadsOfPartsAreRows holds that nobody gets a file bit by bit unseen, and that HEAD is no download.
func TestDownloadsOfPartsAreRows(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.addMany(3)
	record := b.exported()
	path := "api/exports/" + record.ID + "/download"
	b.do(http.MethodHead, path, "")
	b.do(http.MethodGet, path, "", "Range", "bytes=0-9")
	row := b.audit()[0]
	assert.Equal(t, asyncevents.AuditRow{ID: row.ID, At: row.At, Actor: "alice", Action: "download", Queue: "events",
		Target: record.ID, Count: 3, Outcome: outcomeAllowed}, row)
	assert.Len(t, b.audit(), 2, "the export and the part")
}
