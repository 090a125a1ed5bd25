package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// What was erased is listed and comes back.
func TestErasedIsRestored(t *testing.T) {
	t.Parallel()
	s := newService(t)
	assert.Equal(t, exitNothing, s.run("restore", "events").code)
	assert.Equal(t, exitNothing, s.run("erased", "events").code)
	s.fail(3)
	s.ok("erase", "events", "-confirm", "3")
	assert.Zero(t, s.depth())
	assert.Len(t, lines(s.ok("erased", "events")), 4)
	assert.Equal(t, exitNothing, s.run("restore", "events", "-error", "none of them says so").code)
	assert.Equal(t, "1 restored\n", s.ok("restore", "events", "-correlation-id", "event-002"))
	assert.JSONEq(t, `{"restored":2}`, s.ok("restore", "events", "-output", "json"))
	assert.EqualValues(t, 3, s.depth())
}

// What was erased is not said to be in the DLQ still.
func TestErasedIsNotInTheDLQ(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.fail(3)
	assert.Contains(t, s.run("erased", "events").stderr, "no entries erased from the DLQ of events")
	assert.Contains(t, s.run("list", "events", "-limit", "1").stderr, "1 shown; there are 3 entries in the DLQ of events.")
	s.ok("erase", "events", "-confirm", "3")
	assert.Contains(t, s.run("erased", "events", "-limit", "1").stderr, "1 shown; there are 3 entries erased from the DLQ of events.")
	assert.Contains(t, s.run("list", "events").stderr, "no entries in the DLQ of events")
	assert.Contains(t, s.run("erased", "events", "-limit", "0").stderr, "redrive help erased")
}

// The service stops restoring when the client hangs up, so a long restoration is waited for.
func TestRestoreIsWaitedFor(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.fail(2)
	s.ok("erase", "events", "-confirm", "2")
	assert.Equal(t, "2 restored\n", s.ok("restore", "events", "-timeout", "1ns"))
}

// Real filters reach a real server, and a job says what became of what it moved.
func TestJobOfAFilter(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.fail(4)
	s.mended.Store(true)
	s.ok("settings", "-cooldown", "0")
	assert.Contains(t, s.ok("job", "start", "events", "-dry-run", "-correlation-id", "event-002"), "1 matching entry")
	s.ok("job", "start", "events", "-correlation-id", "event-002", "-canary", "5", "-stop-over", "50")
	s.ok("job", "watch", "events", "-interval", "1ms")
	assert.EqualValues(t, 3, s.depth())
	assert.Regexp(t, `1/1 moved, completed: \d processed, 0 refused, 0 came back, \d waiting`, s.ok("job", "show", "events"))
}
