package browsertest

import (
	"fmt"
	"net/http"
	"strconv"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/go-chi/chi/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents/management"
	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/retry"
)

// hostiles are payloads that want to be more than text.
var hostiles = []string{
	`<script>alert(1)</script>`, `<img src=x onerror=alert(1)>`, `<svg/onload=alert(1)>`, `"><script>alert(1)</script>`,
	`' onmouseover='alert(1)`, `" autofocus onfocus="alert(1)`, `</pre></td></table><script>alert(1)</script>`,
	`<iframe src="javascript:alert(1)"></iframe>`, `<a href="javascript:alert(1)">x</a>`, `javascript:alert(1)`,
	`<link rel=stylesheet href=//evil.example/x.css>`, `<style>@import url(//evil.example/x.css)</style>`,
	`<base href=//evil.example/>`, `<meta http-equiv=refresh content="0;url=//evil.example">`, `<form action=//evil.example><button>`,
	`<object data=//evil.example></object>`, `<!--`, `]]>`, `{{.Root}}{{template "body"}}`, "\u202egnp.exe \u2028 ${alert(1)} `",
}

// TestHostilePayloadsAreText shows each payload on the list, as an entry, as a cause, and as what was erased.
func TestHostilePayloadsAreText(t *testing.T) {
	s := newSite(t, setup{})
	for i, hostile := range hostiles {
		s.add(dlq.Entry{Queue: "events", MessageID: fmt.Sprintf("hostile-%d", i), CorrelationID: hostile, Payload: []byte(hostile),
			Failure:  dlq.Failure{Type: hostile, Message: hostile},
			Attempts: retry.History{{Number: 1, Error: hostile, ResponseStatus: 500, ResponseBody: hostile}}})
	}
	tb := open(t, s, "/manage/", true)
	tb.visit("")
	tb.visit("queues/events")
	var shown []string
	tb.run(evaluate(`[...document.querySelectorAll("#list pre")].map(pre => pre.textContent)`, &shown))
	assert.Equal(t, hostiles, shown)
	for i, hostile := range hostiles {
		tb.visit(fmt.Sprintf("queues/events/entries/%d", i+1))
		var found bool
		tb.run(chromedp.Evaluate(fmt.Sprintf(`[...document.querySelectorAll("pre")].some(pre => pre.textContent === %q)`, hostile), &found))
		assert.True(t, found, hostile)
	}
	tb.visit("queues/events")
	tb.fill("confirm", strconv.Itoa(len(hostiles)))
	tb.click("Erase all", "The entries were erased.")
	for _, path := range []string{"queues/events/erased", "queues/events/erased?error=script", "audit", ""} {
		tb.visit(path)
	}
	tb.visit("queues/events/erased")
	tb.run(evaluate(`[...document.querySelectorAll("tbody pre")].map(pre => pre.textContent)`, &shown))
	assert.Equal(t, hostiles, shown)
}

// TestPolicyIsWatched holds that the tests would see a violation of the policy, and that a request elsewhere is refused.
func TestPolicyIsWatched(t *testing.T) {
	s := newSite(t, setup{})
	tb := watched(t, s.url+"/manage/", true)
	tb.visit("")
	require.Empty(t, tb.complaints())
	tb.run(chromedp.Evaluate(`document.body.insertAdjacentHTML("beforeend", "<img src=x onerror=alert(1)><img src=//evil.example/x>")`, nil))
	require.Eventually(t, func() bool { return len(tb.complaints()) >= 2 }, patience, tick)
	assert.Contains(t, fmt.Sprint(tb.complaints()), "Content Security Policy")
}

// TestMounts opens the pages however the handler is mounted, follows links, and presses a button.
func TestMounts(t *testing.T) {
	onMux := func(patterns ...string) func(http.Handler) http.Handler {
		return func(h http.Handler) http.Handler {
			mux := http.NewServeMux()
			for _, pattern := range patterns {
				mux.Handle(pattern, h)
			}
			return mux
		}
	}
	for name, test := range map[string]struct {
		at    string
		cfg   *management.Config
		mount func(http.Handler) http.Handler
	}{
		"ServeMux":                    {at: "/manage/", mount: onMux("/manage/")},
		"ServeMux, no trailing slash": {at: "/manage", mount: onMux("/manage", "/manage/")},
		"StripPrefix": {at: "/ops/dlq/", mount: func(h http.Handler) http.Handler {
			return onMux("/ops/dlq/")(http.StripPrefix("/ops/dlq", h))
		}},
		"chi": {at: "/manage/", mount: func(h http.Handler) http.Handler {
			router := chi.NewRouter()
			router.Mount("/manage", h)
			return router
		}},
		"base": {at: "/a/b/", cfg: &management.Config{Base: "/a/b"}, mount: func(h http.Handler) http.Handler { return h }},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, setup{mount: test.mount, cfg: test.cfg})
			s.fill()
			tb := open(t, s, test.at, true)
			tb.visit("")
			tb.click("Callbacks DLQ", "Why they failed")
			tb.click("order-01", "Payload")
			var styled string
			tb.run(evaluate(`getComputedStyle(document.querySelector(".card")).borderTopStyle`, &styled))
			assert.Equal(t, "solid", styled)
			depth := s.depth("callbacks")
			tb.click("Retry this entry", "The entry was moved back")
			assert.Equal(t, depth-1, s.depth("callbacks"))
		})
	}
}

// TestOpenPagesMove holds that counts follow what happens, that local times stand beside UTC, and that keys work.
func TestOpenPagesMove(t *testing.T) {
	s := newSite(t, setup{})
	s.fill()
	depth := s.depth("events")
	tb := open(t, s, "/manage/", true)
	tb.run(emulation.SetTimezoneOverride("Asia/Tokyo"))
	for _, path := range []string{"", "queues/events"} {
		tb.visit(path)
		tb.run(chromedp.Evaluate("window.loadedOnce = true", nil))
		depth++
		s.add(dlq.Entry{Queue: "events", MessageID: "late-" + path, Payload: []byte(`{}`), Failure: dlq.Failure{Message: "late"}})
		tb.sees(fmt.Sprintf("%d dead letters", depth))
		var same bool
		tb.run(evaluate("window.loadedOnce === true", &same))
		assert.True(t, same, "without loading the page again")
		var local string
		tb.run(chromedp.Text("#events-stand .local", &local, chromedp.ByQuery))
		assert.Contains(t, local, "GMT+9")
	}
	tb.run(chromedp.KeyEvent("?"), chromedp.WaitVisible("#keys", chromedp.ByQuery), chromedp.KeyEvent(kb.Escape),
		chromedp.WaitNotVisible("#keys", chromedp.ByQuery), chromedp.KeyEvent("g"), chromedp.KeyEvent("s"))
	tb.sees("Batch size")
}

// TestKeys goes through the list with keys, to the filter and to other pages; in a field they are letters.
func TestKeys(t *testing.T) {
	s := newSite(t, setup{})
	s.fill()
	tb := open(t, s, "/manage/", true)
	focused := func() (text string) {
		tb.run(evaluate("document.activeElement.textContent.trim() || document.activeElement.name", &text))
		return text
	}
	tb.visit("queues/events?correlation_id=order-03")
	tb.run(chromedp.KeyEvent("j"), chromedp.KeyEvent("j"))
	for range 5 {
		tb.run(chromedp.KeyEvent("j"))
	}
	assert.Equal(t, "order-03", focused())
	tb.run(chromedp.KeyEvent("k"))
	assert.NotEqual(t, "order-03", focused())
	tb.run(chromedp.KeyEvent("/"))
	assert.Equal(t, "correlation_id", focused())
	tb.run(chromedp.KeyEvent("?"), chromedp.KeyEvent("g"), chromedp.KeyEvent("x"))
	assert.Equal(t, "correlation_id", focused())
	for key, says := range map[string]string{
		"o": "Exports being written", "e": "Why they failed", "c": "Why they failed", "x": "There are no exports.", "s": "Batch size",
		"a": "Nothing was done yet.",
	} {
		tb.visit("queues/events/jobs")
		tb.run(chromedp.KeyEvent("g"), chromedp.KeyEvent(key))
		tb.sees(says)
	}
}
