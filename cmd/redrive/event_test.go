package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestEventTellsItsWay(t *testing.T) {
	t.Parallel()
	s := newService(t)
	assert.Equal(t, exitNothing, s.run("event", "event-001").code)
	s.fail(1)
	shown := s.ok("event", "event-001")
	for _, want := range []string{
		"status    failed\n", "entry     " + s.ids()[0] + " in the DLQ of events\n", "accepted", `attempt failed #1  no \x1b[31mluck\u202e`,
		"dead lettered #1",
	} {
		assert.Contains(t, shown, want)
	}
	s.ok("erase", "events", "-confirm", "1")
	shown = s.ok("event", "event-001")
	assert.Contains(t, shown, " erased from the DLQ of events\n")
	assert.NotContains(t, shown, "by operator", "an erasure of all is about no single event")
	assert.Contains(t, s.ok("event", "event-001", "-output", "json"), `"what":"dead_lettered"`)
}
