package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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
	assert.Contains(t, shown, "erase by token, allowed, perhaps this one", "an erasure of all is about no single event")
	assert.Contains(t, s.ok("event", "event-001", "-output", "json"), `"what":"dead_lettered"`)
}

// A redrive by a job is what happened, and no deed of whoever started the job.
func TestEventTellsOfJobs(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.fail(1)
	s.mended.Store(true)
	s.ok("job", "start", "events")
	require.Eventually(t, func() bool { return strings.Contains(s.ok("event", "event-001"), " processed") }, waitLimit, waitTick)
	shown := s.ok("event", "event-001")
	assert.Regexp(t, `events +redriven by job [0-9a-f-]{36}, started by token *\n`, shown)
	assert.NotContains(t, shown, " by token, \n")
}

func TestTimelineTellsEverything(t *testing.T) {
	t.Parallel()
	f := newFake(t, says(http.StatusOK, `{"correlation_id":"c","attempts":2000,"entries":[],"timeline":[
		{"at":"2026-01-02T03:04:05Z","queue":"callbacks","what":"attempt_failed","attempt":1,"response_status":503,
			"error":"callback: send 01a2: answered with 503"},
		{"at":"2026-01-02T03:04:05Z","queue":"events","what":"omitted","omitted":1234},
		{"at":"2026-01-02T03:04:05Z","queue":"events","what":"action","actor":"alice","action":"retry","outcome":"denied","detail":"no right"},
		{"at":"2026-01-02T03:04:05Z","queue":"events","what":"action","actor":"bob","action":"retry_job_start","outcome":"allowed",
			"count":70,"perhaps":true}]}`))
	shown := lines(f.ok("event", "c"))
	for i, want := range []string{
		`attempt failed #1 +answered 503; answered with 503$`, `events +1234 attempts left out *$`, `retry by alice, denied +no right$`,
		`retry job start by bob, allowed, of 70 entries, perhaps this one *$`,
	} {
		assert.Regexp(t, want, shown[len(shown)-4+i])
	}
}
