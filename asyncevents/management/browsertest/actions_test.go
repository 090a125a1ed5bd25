package browsertest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestActions does all that can be done with a DLQ, by its buttons and fields, with scripts and without.
func TestActions(t *testing.T) {
	t.Parallel()
	for name, scripts := range map[string]bool{"scripts": true, "no scripts": false} {
		for _, queue := range []string{"events", "callbacks"} {
			t.Run(queue+", "+name, func(t *testing.T) {
				t.Parallel()
				s := newSite(t, setup{})
				s.fill()
				tb := open(t, s, "/manage/", scripts)
				tb.retries(s, queue)
				tb.edits(s, queue)
				tb.filters(s, queue)
				tb.ticks(s, queue)
				tb.jobs(s, queue)
				tb.causes(s, queue)
				tb.exports(queue)
				tb.settings()
				file := tb.downloads(s, queue)
				tb.erases(s, queue)
				tb.imports(s, queue, file)
				tb.audits(queue)
			})
		}
	}
}

// retries moves one entry from the list and one from its own page.
func (tb *tab) retries(s *site, queue string) {
	depth := s.depth(queue)
	tb.visit("")
	tb.sees(strconv.FormatInt(depth, 10) + " dead letters")
	tb.visit("queues/" + queue)
	tb.click("Retry one (the oldest)", "The entry was moved back")
	assert.Equal(tb.t, depth-1, s.depth(queue))
	tb.visit("queues/" + queue)
	tb.click("order-02", "Payload")
	tb.click("Retry this entry", "The entry was moved back")
	tb.visit("queues/" + queue)
	tb.click("Retry", "The entry was moved back")
	assert.Equal(tb.t, depth-3, s.depth(queue))
}

// edits changes an entry's payload, looks at the difference, and moves it back so.
func (tb *tab) edits(s *site, queue string) {
	depth := s.depth(queue)
	tb.visit("queues/" + queue)
	tb.click("order-05", "Payload")
	tb.click("Edit and retry", "Another payload for order-05")
	var payload string
	tb.run(chromedp.Value("#new", &payload, chromedp.ByQuery))
	require.Contains(tb.t, payload, "Vintage Leather Jacket")
	tb.run(chromedp.SetValue("#new", strings.Replace(payload, "Vintage", "Mended", 1), chromedp.ByQuery))
	tb.click("Show the difference", "What changes")
	tb.sees("Mended Leather Jacket")
	assert.Equal(tb.t, depth, s.depth(queue), "so far it was only shown")
	tb.click("Retry with this payload", "The entry was moved back")
	assert.Equal(tb.t, depth-1, s.depth(queue))
	s.fill()
}

// filters finds one entry by its error, counts it, exports it, erases it and restores it.
func (tb *tab) filters(s *site, queue string) {
	depth := s.depth(queue)
	tb.visit("queues/" + queue + "?error=account+5+is")
	tb.sees("1 of " + strconv.FormatInt(depth, 10) + " entries.")
	tb.click("Erase them…", "Type the number of entries, 1, to erase them")
	tb.click("Export what the filter finds", "The export was started.")
	tb.visit("exports")
	tb.sees("completed")
	tb.visit("queues/" + queue + "?error=account+5+is&count=1")
	tb.fill("confirm", "7")
	tb.click("Erase these", "is not the present number of entries")
	assert.Equal(tb.t, depth, s.depth(queue))
	tb.visit("queues/" + queue + "?error=account+5+is&count=1")
	tb.fill("confirm", "1")
	tb.click("Erase these", "The entries were erased.")
	assert.Equal(tb.t, depth-1, s.depth(queue))
	tb.visit("queues/" + queue)
	tb.click("Erased entries", "account 5 is closed")
	tb.click("Restore", "The entries are back in the DLQ.")
	assert.Equal(tb.t, depth, s.depth(queue))
}

// jobs holds a job at its canary, pauses, resumes and stops it, and has another one move the rest of a cause.
func (tb *tab) jobs(s *site, queue string) {
	depth := s.depth(queue)
	tb.visit("queues/" + queue)
	tb.click("Options: canary, automatic stop", "Canary, entries moved first")
	tb.fill("canary", "1")
	tb.click("Start a retry job for all entries", "The retry job was started.")
	tb.until("canary")
	tb.click("Pause", "The retry job pauses")
	tb.until("paused")
	tb.click("Resume", "The retry job goes on.")
	tb.click("Stop the retry job", "The retry job stops")
	tb.until("stopped")
	assert.Equal(tb.t, depth-1, s.depth(queue))
	for range 2 {
		s.fill() // what was moved is there again, for the steps that follow
	}
	tb.visit("queues/" + queue + "?error=connection+refused")
	tb.click("Start a retry job for what the filter finds", "The retry job was started.")
	tb.until("completed")
}

// ticks ticks entries, and retries, exports and erases those alone. Where none is ticked, nothing happens.
func (tb *tab) ticks(s *site, queue string) {
	depth := s.depth(queue)
	tb.visit("queues/" + queue)
	tb.click("Retry ticked", "No entry is selected")
	for _, what := range []string{"Retry ticked", "Export ticked", "Erase ticked…"} {
		tb.visit("queues/" + queue)
		tb.tick("order-05")
		tb.tick("hook-02")
		switch what {
		case "Retry ticked":
			tb.click(what, "The retry job was started.")
			tb.until("completed")
			assert.Equal(tb.t, depth-2, s.depth(queue))
			s.fill()
			depth = s.depth(queue)
		case "Export ticked":
			tb.click(what, "The export was started.")
			tb.visit("exports")
			tb.reloaded("completed")
			tb.sees("json, filtered")
		default:
			tb.click(what, fmt.Sprintf("2 of %d entries.", depth))
			tb.fill("confirm", "2")
			tb.click("Erase these", "The entries were erased.")
			assert.Equal(tb.t, depth-2, s.depth(queue))
		}
	}
}

// tick ticks the entry of that event.
func (tb *tab) tick(event string) {
	tb.t.Helper()
	tb.run(chromedp.Click(`//tr[.//code="`+event+`"]//input[@type="checkbox"]`, chromedp.BySearch))
}

// causes retries the entries of one cause.
func (tb *tab) causes(s *site, queue string) {
	s.fill()
	depth := s.depth(queue)
	tb.visit("queues/" + queue)
	tb.sees("lock of shard <n> was not free within <n>s")
	tb.run(chromedp.Click(`//tr[td[contains(., "lock of shard")]]//button[normalize-space()="Retry these"]`, chromedp.BySearch))
	tb.sees("The retry job was started.")
	tb.until("completed")
	assert.Equal(tb.t, depth-int64(len(samples(tb.t, "webhook-events.ndjson"))), s.depth(queue))
}

// downloads makes an export and downloads it: it holds every entry, and is what its record says.
func (tb *tab) downloads(s *site, queue string) (path string) {
	s.fill()
	tb.visit("queues/" + queue)
	tb.run(chromedp.SetValue("#format", "ndjson", chromedp.ByQuery))
	tb.click("Export all", "The export was started.")
	tb.visit("exports")
	tb.reloaded("completed")
	path = tb.download("Download")
	content, err := os.ReadFile(path)
	require.NoError(tb.t, err)
	assert.EqualValues(tb.t, s.depth(queue), bytes.Count(content, []byte("\n")))
	sum := sha256.Sum256(content)
	tb.click("SHA-256", hex.EncodeToString(sum[:]))
	return path
}

// imports brings what was erased back from the file, into the DLQ and into the main queue.
func (tb *tab) imports(s *site, queue, file string) {
	content, err := os.ReadFile(file)
	require.NoError(tb.t, err)
	entries := bytes.Count(content, []byte("\n"))
	says := fmt.Sprintf("Imported entries: %d.", entries)
	for _, target := range []string{"Import into this DLQ", "Import into the main queue, to be tried again"} {
		tb.visit("queues/" + queue)
		tb.click("Import an export file", target)
		tb.run(chromedp.SetUploadFiles("#file", []string{file}, chromedp.ByQuery))
		tb.click(target, says)
		if target == "Import into this DLQ" {
			assert.EqualValues(tb.t, entries, s.depth(queue))
			tb.erases(s, queue)
		}
	}
	assert.Zero(tb.t, s.depth(queue))
}

// audits finds a row for everything that was done, and for each download.
func (tb *tab) audits(queue string) {
	tb.visit("audit")
	for _, action := range []string{"retry", "retry job start", "retry job pause", "retry job resume", "retry job stop", "erase", "restore",
		"export", "export delete", "download", "import", "configure"} {
		tb.run(chromedp.WaitReady(`//tr[td="alice"][td="`+action+`"][td="`+queue+`" or td="configure" or td=""]`, chromedp.BySearch))
	}
}

// reloaded loads the page again until it says something.
func (tb *tab) reloaded(text string) {
	tb.t.Helper()
	require.Eventually(tb.t, func() bool {
		if strings.Contains(tb.text(), text) {
			return true
		}
		tb.run(reload())
		return false
	}, patience, tick)
}

// until waits for a job's state. Where no scripts run, the page is loaded again, as its reader would.
func (tb *tab) until(state string) {
	tb.t.Helper()
	require.Eventually(tb.t, func() bool {
		var found bool
		tb.run(evaluate(`!!document.querySelector(".state.`+state+`")`, &found))
		if !found {
			tb.run(reload())
		}
		return found
	}, patience, tick)
}

// exports makes an export of all, and deletes it.
func (tb *tab) exports(queue string) {
	tb.visit("queues/" + queue)
	tb.click("Export all", "The export was started.")
	tb.visit("exports")
	tb.reloaded("completed")
	tb.click("Delete", "The export was deleted.")
}

func (tb *tab) settings() {
	tb.visit("settings")
	tb.fill("batch_size", "250")
	tb.fill("cooldown_minutes", "0.5")
	tb.click("Save", "The settings were saved.")
	tb.visit("settings")
	var size string
	tb.run(evaluate(`document.getElementById("batch_size").value`, &size))
	assert.Equal(tb.t, "250", size)
}

// erases types a wrong number, and then the right one.
func (tb *tab) erases(s *site, queue string) {
	depth := s.depth(queue)
	require.Positive(tb.t, depth)
	tb.visit("queues/" + queue)
	tb.fill("confirm", strconv.FormatInt(depth+1, 10))
	tb.click("Erase all", "is not the present number of entries")
	tb.visit("queues/" + queue)
	tb.fill("confirm", strconv.FormatInt(depth, 10))
	tb.click("Erase all", "The entries were erased.")
	assert.Zero(tb.t, s.depth(queue))
	tb.visit("queues/" + queue)
	tb.sees("This dead-letter queue is empty.")
}
