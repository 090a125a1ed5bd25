package management

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/dlq"
)

// TestOneEventWithoutAStream is what a program gets that asks once.
func TestOneEventWithoutAStream(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.addMany(3)
	got := b.do(http.MethodGet, "live", "")
	assert.Equal(t, "text/event-stream", got.Header().Get("Content-Type"))
	require.Equal(t, 1, strings.Count(got.text, "\n\n"))
	for line := range strings.Lines(strings.TrimSpace(got.text)) {
		assert.Regexp(t, `^(data: |retry: )`, line)
	}
	assert.Contains(t, got.text, `id="events-stand"`)
	assert.Contains(t, got.text, `<div id="callbacks-job">`)
	b.authorize = butFor(ActionView)
	assert.Equal(t, http.StatusForbidden, b.do(http.MethodGet, "live", "").Code)
}

// TestEventsTellWhatMoves follows a stream to its end: an event at its beginning, and one for each change.
func TestEventsTellWhatMoves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBundle(t, nil)
		b.addMany(2)
		go func() {
			time.Sleep(liveTick + liveTick/2)
			_, _ = b.core.dlq.RetryOldest(context.Background(), "events")
		}()
		began := time.Now()
		got := b.do(http.MethodGet, "live", "", "Accept", eventStream)
		assert.Equal(t, liveSpan, time.Since(began), "the browser comes back for more")
		events := strings.Split(strings.TrimSpace(got.text), "\n\n")
		require.Len(t, events, 2, "nothing is said twice")
		assert.Contains(t, events[0], `<span class="depth some">2</span>`)
		assert.Contains(t, events[1], `<span class="depth some">1</span>`)
	})
}

// TestEventsHoldNoForeignMarkup holds that what comes in by a stream is as harmless as a page.
func TestEventsHoldNoForeignMarkup(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	for _, hostile := range hostiles {
		b.authorize = func(*http.Request, Action) (string, error) { return hostile, nil }
		b.addEntry(dlq.Entry{MessageID: hostile, Failure: dlq.Failure{Message: hostile}})
		b.do(http.MethodPost, jobPath, "")
		got := b.do(http.MethodGet, "live", "")
		assert.NotContains(t, got.text, "<script")
		assert.NotContains(t, got.text, "<img")
		assert.NotContains(t, got.text, "{{")
	}
}
