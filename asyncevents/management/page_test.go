package management

import (
	"bytes"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/retry"
)

// hostiles are what an attacker may get into a payload, an id or an error text.
var hostiles = []string{
	`<script>alert(1)</script>`,
	`"><img src=x onerror=alert(1)>`,
	`'onmouseover='alert(1)`,
	`</pre></td></table><style>*{display:none}</style>`,
	`{{.Root}}`,
	`javascript:alert(1)`,
	`<!--`, `-->`, `]]>`, `</title><base href=//evil>`,
	"\u202egnp.exe", "a\x00b", "&lt;b&gt;",
}

// pagePaths are all pages that show something of an entry or of what was done.
var pagePaths = []string{"", "queues/events", "queues/callbacks", "queues/events/erased", "queues/events/jobs", "queues/events?count=1&error=a", "queues/events/entries/1", "queues/events/entries/2",
	"exports", "settings", "audit", "queues/<b>", "queues/events/entries/<b>", "queues/events?flash=<b>hello",
	"queues/events?cursor=<b>"}

func TestHostileTextIsText(t *testing.T) {
	t.Parallel()
	for _, hostile := range hostiles {
		b := newBundle(t, nil)
		b.authorize = func(*http.Request, Action) (string, error) { return hostile, nil }
		for _, payload := range []string{hostile, `{"v":` + string(mustQuote(hostile)) + `}`} {
			b.addEntry(dlq.Entry{MessageID: payload, CorrelationID: hostile, Payload: []byte(payload),
				Failure:  dlq.Failure{Type: hostile, Message: hostile, Stack: hostile},
				Attempts: retry.History{{Number: 1, Error: hostile, ResponseStatus: 500, ResponseBody: hostile}},
				Metadata: map[string]string{hostile: hostile}})
		}
		b.do(http.MethodPost, "api/queues/events/exports", "")
		b.do(http.MethodPost, "api/queues/events/retry-job", "")
		require.NoError(t, b.backend.Audit.Append(t.Context(), asyncevents.AuditRow{Actor: hostile, Action: hostile,
			Queue: hostile, Target: hostile, Detail: hostile, Outcome: hostile}))
		for _, path := range pagePaths {
			path = strings.NewReplacer("<", "%3C", ">", "%3E").Replace(path)
			requireHarmless(t, path, b.do(http.MethodGet, path, ""))
		}
		entry := b.do(http.MethodGet, "queues/events/entries/1", "").text
		shown := strings.ReplaceAll(hostile, "\x00", "\uFFFD")
		assert.GreaterOrEqual(t, strings.Count(textOf(t, entry), shown), 4, "%q is shown as it is", hostile)
	}
}

func mustQuote(s string) []byte {
	quoted, err := jsonAnswer{body: s}.encode()
	if err != nil {
		panic(err)
	}
	return bytes.TrimSpace(quoted)
}

// knownElements are all that templates write themselves; frames and inline styles are not among them.
var knownElements = []atom.Atom{atom.Html, atom.Head, atom.Meta, atom.Title, atom.Link, atom.Body, atom.A, atom.Header,
	atom.Nav, atom.Img, atom.Ul, atom.Li, atom.Main, atom.H1, atom.H2, atom.P, atom.Section, atom.Div, atom.Span,
	atom.Dl, atom.Dt, atom.Dd, atom.Time, atom.Form, atom.Button, atom.Label, atom.Input, atom.Table, atom.Caption,
	atom.Thead, atom.Tbody, atom.Tr, atom.Th, atom.Td, atom.Code, atom.Pre, atom.Details, atom.Summary, atom.Progress,
	atom.Footer, atom.H3, atom.B,
	atom.Script, atom.Dialog, atom.Kbd, atom.Select, atom.Option, atom.Svg, atom.Figure, atom.Figcaption, atom.Output, atom.Ol}

func requireHarmless(t *testing.T, path string, got reply) {
	t.Helper()
	require.Contains(t, got.Header().Get("Content-Type"), "text/html", path)
	page, err := html.Parse(strings.NewReader(got.text))
	require.NoError(t, err)
	for node := range page.Descendants() {
		if node.Type != html.ElementNode {
			require.NotEqual(t, html.CommentNode, node.Type, path)
			continue
		}
		drawn := node.Data == "path" && node.Parent.DataAtom == atom.Svg
		require.True(t, drawn || slices.Contains(knownElements, node.DataAtom), "%s: <%s>", path, node.Data)
		if node.DataAtom == atom.Script {
			require.Nil(t, node.FirstChild, "%s: an inline script", path)
			require.True(t, strings.HasSuffix(attribute(node, "src"), "assets/"+script.name), path)
		}
		for _, attribute := range node.Attr {
			require.False(t, strings.HasPrefix(attribute.Key, "on"), "%s: %s", path, attribute.Key)
			require.NotEqual(t, "style", attribute.Key, path)
			if slices.Contains([]string{"href", "src", "action", "formaction"}, attribute.Key) && !strings.HasPrefix(attribute.Val, "#") {
				require.True(t, strings.HasPrefix(attribute.Val, "./") || strings.HasPrefix(attribute.Val, "../"),
					"%s: %s leads elsewhere: %s", path, attribute.Key, attribute.Val)
			}
		}
	}
}

// textOf is what a reader of a page sees.
func textOf(t *testing.T, page string) string {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	require.NoError(t, err)
	var text strings.Builder
	for node := range root.Descendants() {
		if node.Type == html.TextNode {
			text.WriteString(node.Data)
		}
	}
	return text.String()
}

// TestPagesAreAccessible asks for what a screen reader needs.
func TestPagesAreAccessible(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.addMany(2)
	b.do(http.MethodPost, "api/queues/events/exports", "")
	b.do(http.MethodPost, "api/queues/events/retry-job", "")
	for _, path := range []string{"", "queues/events", "queues/events/entries/1", "queues/events/erased", "queues/events/jobs", "exports", "settings", "audit", "nowhere"} {
		page, err := html.Parse(strings.NewReader(b.do(http.MethodGet, path, "").text))
		require.NoError(t, err)
		labelled, ids, headings := map[string]bool{}, map[string]int{}, 0
		for node := range page.Descendants() {
			if node.DataAtom == atom.Label {
				labelled[attribute(node, "for")] = true
			}
			if node.DataAtom == atom.H1 {
				headings++
			}
			if id := attribute(node, "id"); id != "" {
				ids[id]++
			}
		}
		assert.Equal(t, 1, headings, path)
		for id, n := range ids {
			assert.Equal(t, 1, n, "%s: #%s", path, id)
		}
		for node := range page.Descendants() {
			switch node.DataAtom {
			case atom.Html:
				assert.Equal(t, "en", attribute(node, "lang"))
			case atom.Input:
				named := labelled[attribute(node, "id")] || attribute(node, "aria-label") != "" || attribute(node, "type") == "hidden"
				assert.True(t, named, "%s: an input without a label", path)
			case atom.Section:
				if id := attribute(node, "aria-labelledby"); id != "" {
					assert.Equal(t, 1, ids[id], "%s: #%s", path, id)
				}
			case atom.Time:
				assert.Regexp(t, `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$`, attribute(node, "datetime"))
				assert.Regexp(t, `^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$`, node.FirstChild.Data)
			case atom.Button:
				assert.NotEmpty(t, node.FirstChild.Data)
			}
		}
	}
}

func attribute(node *html.Node, key string) string {
	for _, attribute := range node.Attr {
		if attribute.Key == key {
			return attribute.Val
		}
	}
	return ""
}

// TestButtonsFollowRights shows a viewer no button that would be refused.
func TestButtonsFollowRights(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.addMany(1)
	b.do(http.MethodPost, "api/queues/events/exports", "")
	b.authorize = func(_ *http.Request, action Action) (string, error) {
		if action != ActionView {
			return "", errors.New("viewers only look")
		}
		return "viewer", nil
	}
	for _, path := range []string{"queues/events", "queues/events/entries/1", "exports"} {
		page := b.do(http.MethodGet, path, "")
		assert.Equal(t, http.StatusOK, page.Code)
		assert.NotContains(t, page.text, `method="post"`, path)
		assert.NotContains(t, page.text, "Retry these", path)
		assert.Contains(t, page.text, "Signed in as viewer.")
	}
	settings, _, _ := strings.Cut(b.do(http.MethodGet, "settings", "").text, "</main>")
	assert.NotContains(t, settings, "<button")
	assert.Len(t, b.audit(), 1, "asking for rights leaves no rows")
}

func TestProblemPageLeadsBack(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	page := b.do(http.MethodGet, "queues/events/entries/9", "")
	assert.Equal(t, http.StatusNotFound, page.Code)
	assert.Contains(t, page.text, `href="../../../queues/events"`)
	assert.Contains(t, page.text, "There is no such entry")
	assert.Contains(t, b.do(http.MethodGet, "queues/nope", "").text, "There is no such queue")
}

func TestTitleIsConfigured(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	h, err := newHandler(b.core, allowAll, &Config{Title: "Loyalty <b>"})
	require.NoError(t, err)
	b.mux = http.NewServeMux()
	b.mux.Handle("/manage/", h)
	page := b.do(http.MethodGet, "", "").text
	assert.Contains(t, page, "Dead-letter queues – Loyalty &lt;b&gt;")
}

func TestAssets(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	style := b.do(http.MethodGet, "assets/"+styleSheet.name, "")
	assert.Equal(t, "text/css; charset=utf-8", style.Header().Get("Content-Type"))
	assert.Regexp(t, `^style-[0-9a-f]{12}\.css$`, styleSheet.name)
	assert.NotContains(t, style.text, "url(")
	assert.NotContains(t, style.text, "@import")
	assert.Contains(t, style.text, "prefers-color-scheme: dark")
	assert.Equal(t, "image/svg+xml", b.do(http.MethodGet, "assets/"+icon.name, "").Header().Get("Content-Type"))
	assert.Equal(t, "text/javascript; charset=utf-8", b.do(http.MethodGet, "assets/"+script.name, "").Header().Get("Content-Type"))
	for _, name := range []string{"style.css", "page.js", "style-000000000000.css", "..%2fhandler.go", "%00"} {
		assert.Equal(t, http.StatusNotFound, b.do(http.MethodGet, "assets/"+name, "").Code, name)
	}
}
