package browsertest

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// patience is how long a test waits for what it expects of a page.
const patience = time.Minute

// tab is one tab of the browser, and what it was seen to do.
type tab struct {
	t   *testing.T
	ctx context.Context
	// root is the URL of the mount point.
	root string

	mu        sync.Mutex
	requested []string
	complaint []string
}

// open opens a tab that, when the test ends, must have asked nobody but the site for anything and have had nothing to complain of.
func open(t *testing.T, s *site, mount string, scripts bool) *tab {
	t.Helper()
	tb := watched(t, s.url+mount, scripts)
	t.Cleanup(func() {
		tb.mu.Lock()
		defer tb.mu.Unlock()
		for _, url := range tb.requested {
			assert.True(t, strings.HasPrefix(url, s.url+"/") || url == s.url, "a request left the origin: %s", url)
		}
		assert.Empty(t, tb.complaint)
	})
	return tb
}

// watched opens a tab without demands on it.
func watched(t *testing.T, root string, scripts bool) *tab {
	t.Helper()
	if chromium == nil {
		t.Skip("Chromium is not installed; see make test-browser")
	}
	ctx, cancel := chromedp.NewContext(chromium)
	t.Cleanup(cancel)
	tb := &tab{t: t, ctx: ctx, root: root}
	chromedp.ListenTarget(ctx, tb.see)
	// Without a timeout: the context of the first run is that of the tab.
	require.NoError(t, chromedp.Run(ctx, network.Enable(), log.Enable(), runtime.Enable(), emulation.SetScriptExecutionDisabled(!scripts)))
	return tb
}

// see notes requests, and what a page should never do: violate its policy, throw, open a dialog, or fail to load.
func (tb *tab) see(event any) {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		tb.requested = append(tb.requested, e.Request.URL)
	case *log.EventEntryAdded:
		if e.Entry.Level == log.LevelError {
			tb.complaint = append(tb.complaint, e.Entry.Text+" "+e.Entry.URL)
		}
	case *runtime.EventExceptionThrown:
		tb.complaint = append(tb.complaint, e.ExceptionDetails.Error())
	case *page.EventJavascriptDialogOpening:
		tb.complaint = append(tb.complaint, "dialog: "+e.Message)
	}
}

// complaints is what was seen so far that should not be.
func (tb *tab) complaints() []string {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	return append([]string{}, tb.complaint...)
}

func (tb *tab) run(actions ...chromedp.Action) {
	tb.t.Helper()
	ctx, cancel := context.WithTimeout(tb.ctx, patience)
	defer cancel()
	require.NoError(tb.t, chromedp.Run(ctx, actions...))
}

// visit loads a page below the mount point.
func (tb *tab) visit(path string) {
	tb.t.Helper()
	tb.run(chromedp.Navigate(tb.root + path))
}

// click presses the first button, link or fold with exactly that text, and waits for the next page to say something.
func (tb *tab) click(text, says string) {
	tb.t.Helper()
	tb.run(chromedp.Click(`//main//*[self::button or self::a or self::summary][normalize-space()="`+text+`"]`, chromedp.BySearch))
	tb.sees(says)
}

// sees waits until the page says something in its main part.
func (tb *tab) sees(text string) {
	tb.t.Helper()
	ctx, cancel := context.WithTimeout(tb.ctx, patience)
	defer cancel()
	err := chromedp.Run(ctx, chromedp.WaitReady(`//main//*[contains(normalize-space(.), "`+text+`")]`, chromedp.BySearch))
	require.NoError(tb.t, err, "%q is not on the page:\n%s", text, tb.text())
}

// fill types into the field of that id.
func (tb *tab) fill(id, text string) {
	tb.t.Helper()
	tb.run(chromedp.Evaluate(`document.getElementById("`+id+`").value = ""`, nil), chromedp.SendKeys("#"+id, text, chromedp.ByQuery))
}

// text is what the page says.
func (tb *tab) text() (text string) {
	tb.t.Helper()
	tb.run(chromedp.Text("body", &text, chromedp.ByQuery))
	return text
}

// shoot keeps a picture of the whole page.
func (tb *tab) shoot(name string) {
	tb.t.Helper()
	var picture []byte
	tb.run(chromedp.FullScreenshot(&picture, 100))
	require.NoError(tb.t, os.MkdirAll("screenshots", 0o755))
	require.NoError(tb.t, os.WriteFile(filepath.Join("screenshots", name+".png"), picture, 0o600))
}

// tick is how often a test looks for what happens in the background.
const tick = 50 * time.Millisecond

func evaluate(expression string, into any) chromedp.Action {
	return chromedp.Evaluate(expression, into)
}

func reload() chromedp.Action { return chromedp.Reload() }
