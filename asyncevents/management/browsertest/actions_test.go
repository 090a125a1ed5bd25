package browsertest

import (
	"strconv"
	"testing"

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
				s := newSite(t, nil, nil)
				s.fill()
				tb := open(t, s, "/manage/", scripts)
				tb.retries(s, queue)
				tb.filters(s, queue)
				tb.jobs(s, queue)
				tb.exports(queue)
				tb.settings()
				tb.erases(s, queue)
				tb.visit("audit")
				tb.sees("alice")
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

// filters finds one entry by its error, counts it, exports it, erases it and restores it.
func (tb *tab) filters(s *site, queue string) {
	depth := s.depth(queue)
	tb.visit("queues/" + queue + "?error=account+5+is")
	tb.click("Count them", "1 of "+strconv.FormatInt(depth, 10)+" entries.")
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
	tb.click("With care", "Canary, entries moved first")
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
