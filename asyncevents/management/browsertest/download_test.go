package browsertest

import (
	"path/filepath"
	"strings"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// download presses a link, and returns the path of the file that it brings once that is whole. All tabs share the folder of downloads, and
// hear of each other's.
func (tb *tab) download(link string) (path string) {
	tb.t.Helper()
	began, done := map[string]bool{}, make(chan string, 1)
	chromedp.ListenTarget(tb.ctx, func(event any) {
		switch e := event.(type) {
		case *browser.EventDownloadWillBegin:
			began[e.GUID] = strings.HasPrefix(e.URL, tb.root)
		case *browser.EventDownloadProgress:
			if began[e.GUID] && e.State == browser.DownloadProgressStateCompleted {
				done <- e.GUID
			}
		}
	})
	tb.run(browser.SetDownloadBehavior(browser.SetDownloadBehaviorBehaviorAllowAndName).WithDownloadPath(downloads).WithEventsEnabled(true),
		chromedp.Click(`//main//a[normalize-space()="`+link+`"]`, chromedp.BySearch))
	select {
	case id := <-done:
		return filepath.Join(downloads, id)
	case <-time.After(patience):
		require.Fail(tb.t, "the download did not end")
		return ""
	}
}
