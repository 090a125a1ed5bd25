package main

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRetry(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.fail(3)
	s.mended.Store(true)
	ids := s.ids()
	assert.Regexp(t, `^moved back: entry `+ids[1]+`, correlation id event-00\d\n$`, s.ok("retry", "events", ids[1]))
	got := s.run("retry", "events", ids[1])
	assert.Equal(t, exitNothing, got.code)
	assert.Contains(t, got.stderr, "to do: redrive list QUEUE shows what is there")
	assert.Contains(t, s.ok("retry", "events", "--oldest"), "entry "+ids[0]+",")
	assert.Contains(t, s.ok("retry", "events", "-oldest", "-output", "json"), `{"entry":{"id":"`+ids[2]+`"`)
	assert.Equal(t, exitNothing, s.run("retry", "events", "--oldest").code)
	assert.Zero(t, s.depth())
}

func TestJobToItsEnd(t *testing.T) {
	t.Parallel()
	s := newService(t)
	for _, verb := range []string{"show", "stop", "watch"} {
		assert.Equal(t, exitNothing, s.run("job", verb, "events").code, verb)
	}
	s.fail(30)
	s.mended.Store(true)
	s.ok("settings", "-batch-size", "10", "-cooldown", "0")
	assert.Contains(t, s.ok("job", "start", "events"), "events: [")
	watched := lines(s.ok("job", "watch", "events", "-interval", "1ms"))
	assert.Equal(t, "events [##########] 30/30 moved, 0 remaining, completed", watched[len(watched)-1])
	shown := s.ok("job", "show", "events")
	assert.Contains(t, shown, "30/30 moved")
	assert.Regexp(t, `started +\S+Z by token\nbatches +3\n`, shown)
	assert.Contains(t, s.ok("queues"), "completed, 30 of 30 moved")
	assert.Zero(t, s.depth())
	assert.Regexp(t, `"state":"completed"`, s.ok("job", "watch", "events", "-output", "json"))
}

func TestCtrlCEndsTheWatchingNotTheJob(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.fail(5)
	s.mended.Store(true)
	s.ok("settings", "-batch-size", "1", "-cooldown", "1440")
	s.ok("job", "start", "events")
	got := s.run("job", "start", "events")
	assert.Equal(t, exitRefused, got.code)
	assert.Contains(t, got.stderr, "redrive job watch QUEUE follows it")
	require.Eventually(t, func() bool { return s.queue().RetryJob.State == "cooling_down" }, waitLimit, waitTick)

	ctx, cancel := context.WithCancel(t.Context())
	out := &notifying{seen: cancel}
	var stderr strings.Builder
	code := run(ctx, []string{"job", "watch", "events"}, s.stdin, out, &stderr, func(name string) string { return s.env[name] })
	assert.Equal(t, exitInterrupted, code)
	assert.Regexp(t, `^events \[##-+\] 1/5 moved, 4 remaining, cooling_down, ETA \d+h\d+m\d+s, next batch in 2[34]h\d+m\d+s\n`, out.text.String())
	assert.Contains(t, stderr.String(), "watching ended; the retry job goes on")
	assert.Contains(t, stderr.String(), "redrive job stop events ends it")
	assert.Equal(t, "cooling_down", s.queue().RetryJob.State)

	s.ok("job", "stop", "events")
	stopped := s.run("job", "watch", "events", "-interval", "1ms")
	assert.Equal(t, exitFailed, stopped.code)
	assert.Contains(t, stopped.stderr, "the retry job was stopped: 1 of 5 moved")
	assert.EqualValues(t, 4, s.depth())
}

// notifying calls seen when something was written.
type notifying struct {
	text strings.Builder
	seen func()
}

func (n *notifying) Write(p []byte) (int, error) {
	n.seen()
	return n.text.Write(p)
}

func TestWatchOnATerminal(t *testing.T) {
	t.Parallel()
	answers := []string{`{"id":"1","state":"running","total":4,"moved":1,"remaining":3}`, `{"id":"1","state":"paused","total":4,"moved":2,"remaining":2}`,
		`{"id":"1","state":"failed","total":4,"moved":2,"remaining":2,"error":"no \u0007"}`}
	f := newFake(t, func(w http.ResponseWriter, _ *http.Request, n int) { reply(w, http.StatusOK, answers[n-1]) })
	f.env["COLUMNS"] = "40"
	screen := typing("")
	var stderr strings.Builder
	code := run(t.Context(), []string{"job", "watch", "events", "-interval", "1ms"}, f.stdin, screen, &stderr,
		func(name string) string { return f.env[name] })
	assert.Equal(t, exitFailed, code)
	assert.Equal(t, "\r\x1b[Kevents [##--------] 1/4 moved, 3 remai…\r\x1b[Kevents [#####-----] 2/4 moved, 2 remai…"+
		"\r\x1b[Kevents [#####-----] 2/4 moved, 2 remai…\n", screen.String())
	assert.Contains(t, stderr.String(), `the retry job failed: 2 of 4 moved: no \x07`)
}

func TestWatchSaysEachStepOnce(t *testing.T) {
	t.Parallel()
	f := newFake(t, func(w http.ResponseWriter, _ *http.Request, n int) {
		state := []string{"running", "running", "stopping", "stopping", "completed"}[(n-1)%5]
		reply(w, http.StatusOK, `{"id":"1","state":"`+state+`","total":1}`)
	})
	assert.Len(t, lines(f.ok("job", "watch", "events", "-interval", "1ms")), 3)
	steps := lines(f.ok("job", "watch", "events", "-interval", "1ms", "-output", "json"))
	assert.Len(t, steps, 3)
	assert.True(t, json.Valid([]byte(steps[0])))
}

func TestWatchOutlivesARestart(t *testing.T) {
	t.Parallel()
	f := newFake(t, func(w http.ResponseWriter, _ *http.Request, n int) {
		switch {
		case n%3 == 0:
			panic(http.ErrAbortHandler)
		case n < 70 && n%2 == 0:
			reply(w, http.StatusServiceUnavailable, refusal(203503, "The store could not be used now"))
		case n < 70:
			reply(w, http.StatusOK, `{"id":"1","state":"running"}`)
		default:
			reply(w, http.StatusOK, `{"id":"1","state":"completed"}`)
		}
	})
	got := f.run("job", "watch", "events", "-interval", "1ms")
	assert.Zero(t, got.code)
	assert.Contains(t, got.stderr, "The store could not be used now (503, code 203503); trying again")
}

func TestWatchGivesUp(t *testing.T) {
	t.Parallel()
	f := newFake(t, says(http.StatusServiceUnavailable, refusal(203503, "The store could not be used now")))
	got := f.run("job", "watch", "events", "-interval", "1ms")
	assert.Equal(t, exitFailed, got.code)
	assert.Len(t, f.requests(), maxMisses+1)
	assert.Equal(t, 1, strings.Count(got.stderr, "trying again"))
}

func TestWatchIsOfOneJob(t *testing.T) {
	t.Parallel()
	f := newFake(t, func(w http.ResponseWriter, _ *http.Request, n int) {
		reply(w, http.StatusOK, `{"id":"`+number(int64(n))+`","state":"running"}`)
	})
	got := f.run("job", "watch", "events", "-interval", "1ms")
	assert.Equal(t, exitFailed, got.code)
	assert.Contains(t, got.stderr, "another one was started meanwhile")
}

func TestDryRun(t *testing.T) {
	t.Parallel()
	f := newFake(t, func(w http.ResponseWriter, _ *http.Request, n int) {
		reply(w, http.StatusOK, []string{`{"dry_run":true,"count":12}`, `{"dry_run":true,"count":12}`, `{"dry_run":true,"count":0}`,
			`{"id":"1","state":"running"}`}[n-1])
	})
	assert.Equal(t, "12 matching entries would move back; nothing was done\n", f.ok("job", "start", "events", "-dry-run", "-q", "x"))
	assert.JSONEq(t, `{"dry_run":true,"count":12}`, f.ok("job", "start", "events", "-dry-run", "-output", "json"))
	assert.Equal(t, exitNothing, f.run("job", "start", "events", "-dry-run").code)
	got := f.run("job", "start", "events", "-dry-run")
	assert.Equal(t, exitFailed, got.code)
	assert.Contains(t, got.stderr, "it may have started the job")
	assert.JSONEq(t, `{"dry_run":true}`, f.requests()[1].body)
}

func TestPauseAndResume(t *testing.T) {
	t.Parallel()
	f := newFake(t, says(http.StatusOK, `{"id":"1","state":"paused","total":4,"moved":1,"remaining":3}`))
	for _, verb := range []string{"pause", "resume"} {
		assert.Contains(t, f.ok("job", verb, "events"), "events: [##--------] 1/4 moved, 3 remaining, paused\n")
	}
	assert.Equal(t, "POST /manage/api/queues/events/retry-job/pause", f.requests()[0].what)
	assert.Equal(t, "POST /manage/api/queues/events/retry-job/resume", f.requests()[1].what)
}

func TestSettings(t *testing.T) {
	t.Parallel()
	s := newService(t)
	assert.Equal(t, "batch size  100\ncooldown    1 min\n", s.ok("settings"))
	assert.Equal(t, "batch size  100\ncooldown    0.5 min\n", s.ok("settings", "-cooldown", "0.5"))
	assert.Equal(t, "batch size  7\ncooldown    0.5 min\n", s.ok("settings", "-batch-size", "7"))
	assert.JSONEq(t, `{"batch_size":7,"cooldown_minutes":0.5}`, s.ok("settings", "-output", "json"))
	got := s.run("settings", "-batch-size", "0")
	assert.Equal(t, exitRefused, got.code)
	assert.Contains(t, got.stderr, "203502")
	assert.Contains(t, s.ok("settings"), "batch size  7")
}

func TestAudit(t *testing.T) {
	t.Parallel()
	s := newService(t)
	assert.Equal(t, exitNothing, s.run("audit").code)
	for range 120 {
		s.ok("settings", "-batch-size", "7")
	}
	assert.Len(t, lines(s.ok("audit", "-all")), 121)
	assert.Len(t, lines(s.ok("audit", "-limit", "110", "-output", "json")), 110)
	assert.Regexp(t, ` token +configure +0 +allowed +batch_size 7, cooldown_minutes 1$`, lines(s.ok("audit", "-limit", "1"))[1])
}
