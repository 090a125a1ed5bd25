package management

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/redrive-go/redrive/asyncevents"
)

// allActions are all that an Authorizer may be asked for.
var allActions = []Action{ActionView, ActionViewPayload, ActionRetry, ActionEdit, ActionErase, ActionExport, ActionConfigure}

// only is an Authorizer that allows no other actions.
func only(allowed ...Action) Authorizer {
	return func(_ *http.Request, action Action) (string, error) {
		if !slices.Contains(allowed, action) {
			return "alice", errors.New("another action")
		}
		return "alice", nil
	}
}

// butFor is an Authorizer that allows all other actions.
func butFor(denied Action) Authorizer {
	return only(slices.DeleteFunc(slices.Clone(allActions), func(a Action) bool { return a == denied })...)
}

// TestReadOnly holds that somebody who may do anything can only look, and that somebody who may not look still cannot.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	assert.Nil(t, ReadOnly(nil), "no authorizer is still none")
	b := newBundle(t, nil)
	b.add("one", `{"plain":1}`)
	b.authorize = ReadOnly(allowAll)
	page := b.do(http.MethodGet, "queues/events", "").text
	assert.Contains(t, page, "plain")
	assert.NotContains(t, page, `method="post"`)
	assert.Contains(t, page, "Everything is to be looked at only.")
	assert.Equal(t, http.StatusForbidden, b.do(http.MethodPost, "api/queues/events/retry-one", "").Code)
	assert.Equal(t, "the management is read-only", b.audit()[0].Detail)
	assert.EqualValues(t, 1, b.depth())
	b.authorize = ReadOnly(butFor(ActionView))
	assert.Equal(t, http.StatusForbidden, b.do(http.MethodGet, "queues/events", "").Code)
}

// TestPayloadsNeedTheirRight asks all that shows entries, on behalf of somebody who may do anything but see payloads.
func TestPayloadsNeedTheirRight(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.add("one", `{"secret":1}`)
	b.add("two", "secret \xff")
	b.add("three", `{"secret":3}`)
	record := b.exported()
	b.authorize = butFor(ActionViewPayload)
	for _, path := range []string{"queues/events", "queues/events/entries/1", "queues/events/entries/2"} {
		page := b.do(http.MethodGet, path, "")
		assert.Equal(t, http.StatusOK, page.Code)
		assert.Contains(t, page.text, "hidden")
		assert.NotContains(t, page.text, "secret")
		assert.NotContains(t, page.text, "bytes", "nor how much of it there is")
	}
	for _, call := range [][2]string{{http.MethodGet, "entries"}, {http.MethodGet, "entries/1"}, {http.MethodGet, "entries/2"},
		{http.MethodPost, "entries/2/retry"}, {http.MethodPost, "retry-one"}} {
		got := b.do(call[0], "api/queues/events/"+call[1], "")
		assert.Equal(t, http.StatusOK, got.Code)
		assert.Contains(t, got.text, `"payload_hidden":true`)
		assert.NotRegexp(t, `secret|"payload"|payload_base64|c2VjcmV0`, got.text)
	}
	exports := b.do(http.MethodGet, "exports", "").text
	assert.NotContains(t, exports, "/download")
	assert.Contains(t, exports, "/delete")
	got := b.do(http.MethodGet, "api/exports/"+record.ID+"/download", "")
	assert.Equal(t, http.StatusForbidden, got.Code)
	assert.Equal(t, CodeForbidden, code(t, got))
	row := b.audit()[0]
	assert.Equal(t, asyncevents.AuditRow{ID: row.ID, At: row.At, Actor: "alice", Action: "download", Target: record.ID,
		Outcome: outcomeDenied, Detail: "another action"}, row)

	b.authorize = butFor(ActionExport)
	assert.Contains(t, b.do(http.MethodGet, "api/queues/events/entries", "").text, `"payload":{"secret":3}`)
	assert.Equal(t, http.StatusForbidden, b.do(http.MethodGet, "api/exports/"+record.ID+"/download", "").Code)
}

// TestPayloadsAreHiddenByBrokenAuthorizers lets an Authorizer panic when it is asked for payloads.
func TestPayloadsAreHiddenByBrokenAuthorizers(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.add("one", `{"secret":1}`)
	b.authorize = func(_ *http.Request, action Action) (string, error) {
		if action == ActionViewPayload {
			panic("broken")
		}
		return "alice", nil
	}
	assert.Contains(t, b.do(http.MethodGet, "api/queues/events/entries/1", "").text, `"payload_hidden":true`)
	assert.NotContains(t, b.do(http.MethodGet, "queues/events/entries/1", "").text, "secret")
}

// TestPagesOfferWhatIsAllowed clicks all that the pages offer to somebody who lacks one right. Whatever lacks it is not among it.
func TestPagesOfferWhatIsAllowed(t *testing.T) {
	t.Parallel()
	for _, action := range append([]Action{"none"}, allActions...) {
		t.Run(string(action), func(t *testing.T) {
			t.Parallel()
			b := newBundle(t, nil)
			b.addMany(3)
			b.exported()
			b.authorize = butFor(action)
			offers := map[string]bool{}
			for _, path := range []string{"", "queues/events", "queues/events/entries/1", "exports", "settings", "audit"} {
				for offer := range offered(t, path, b.do(http.MethodGet, path, "")) {
					offers[offer] = true
				}
			}
			for offer := range offers {
				method, path, _ := strings.Cut(offer, " ")
				got := b.do(method, path, "")
				assert.NotEqual(t, http.StatusForbidden, got.Code, offer)
				assert.Less(t, got.Code, 500, offer)
			}
			assert.Equal(t, action != ActionView, len(offers) > 10, "%v", offers)
		})
	}
}

// offered returns the method and path, below the mount point, of the links and forms of a page. A page that was refused offers
// a way back at most, to where the same right is needed.
func offered(t *testing.T, path string, page reply) map[string]bool {
	t.Helper()
	offers := map[string]bool{}
	if page.Code != http.StatusOK {
		return offers
	}
	root, err := html.Parse(strings.NewReader(page.text))
	require.NoError(t, err)
	base, err := url.Parse("http://example.com/manage/" + path)
	require.NoError(t, err)
	for node := range root.Descendants() {
		var method, target string
		switch {
		case node.DataAtom == atom.A && !strings.HasPrefix(attribute(node, "href"), "#"):
			method, target = http.MethodGet, attribute(node, "href")
		case node.DataAtom == atom.Form && hasButton(node):
			method, target = http.MethodPost, attribute(node, "action")
		default:
			continue
		}
		reference, err := base.Parse(target)
		require.NoError(t, err)
		offers[method+" "+strings.TrimPrefix(reference.RequestURI(), "/manage/")] = true
	}
	return offers
}

func hasButton(form *html.Node) bool {
	for node := range form.Descendants() {
		if node.DataAtom == atom.Button {
			return true
		}
	}
	return false
}
