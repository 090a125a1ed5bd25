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
	assert.Contains(t, got.stderr, "to do: redrive list events shows what is there")
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
	assert.Equal(t, "events [##########] 30/30 moved, completed: ", watched[len(watched)-1][:44])
	assert.Regexp(t, `: \d+ processed, 0 refused, 0 came back, \d+ waiting, 0 remaining$`, watched[len(watched)-1])
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
	assert.Contains(t, got.stderr, "redrive job watch events follows it")
	require.Eventually(t, func() bool { return s.queue().RetryJob.State == "cooling_down" }, waitLimit, waitTick)

	ctx, cancel := context.WithCancel(t.Context())
	out := &notifying{seen: cancel}
	var stderr strings.Builder
	code := run(ctx, []string{"job", "watch", "events"}, s.stdin, out, &stderr, func(name string) string { return s.env[name] })
	assert.Equal(t, exitInterrupted, code)
	assert.Regexp(t, `^events \[##-+\] 1/5 moved, cooling_down: [01] processed, 0 refused, 0 came back, [01] waiting, 4 remaining, ETA \d+h\d+m\d+s, next batch in 2[34]h\d+m\d+s\n`, out.text.String())
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
	assert.Equal(t, "\r\x1b[Kevents [##--------] 1/4 moved, running…\r\x1b[Kevents [#####-----] 2/4 moved, paused:…"+
		"\r\x1b[Kevents [#####-----] 2/4 moved, failed:…\n", screen.String())
	assert.Contains(t, stderr.String(), `the retry job failed: 2 of 4 moved: no \x07`)
}

// What is advised after a job that did not go to its end, when pasted, does no more than that job had left.
func TestAdviceDoesNoMoreThanTheJob(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.fail(5)
	s.ok("settings", "-batch-size", "1", "-cooldown", "1440")
	s.ok("job", "start", "events", "-error", "no ", "-attribute", "action=pay", "-canary", "1", "-canary-percent", "0", "-stop-over", "50",
		"-single-attempt")
	require.Eventually(t, func() bool { return s.queue().RetryJob.State == stateCoolingDown && s.depth() == 5 }, waitLimit, waitTick)
	s.ok("job", "stop", "events")
	got := s.run("job", "watch", "events", "-interval", "1ms")
	assert.Equal(t, exitFailed, got.code)
	words := advised(t, got.stderr)
	assert.Equal(t, []string{"job", "start", "events", "-error", "no ", "-attribute", "action=pay", "-to"}, words[:8])
	assert.Equal(t, []string{"-canary", "1", "-canary-percent", "0", "-stop-over", "50", "-single-attempt", "-dry-run"}, words[9:])
	s.fail(3)
	assert.Equal(t, "4 matching entries would move back; nothing was done\n", s.ok(words...), "neither what came back nor what came in since")

	s.ok("settings", "-cooldown", "0")
	s.ok("job", "start", "events", "-canary", "2")
	got = s.run("job", "watch", "events", "-interval", "1ms")
	assert.Equal(t, exitFailed, got.code)
	assert.Contains(t, got.stderr, "the retry job failed: 2 of 8 moved: canary: ")
	require.Eventually(t, func() bool { return s.depth() == 8 }, waitLimit, waitTick)
	came := lines(s.ok(advised(t, got.stderr)...))
	assert.Len(t, came, 3, "a header and the canary")
}

// advised is the command in the advice of a failure, as a shell would take it apart.
func advised(t *testing.T, stderr string) (words []string) {
	t.Helper()
	_, advice, found := strings.Cut(stderr, "  to do: redrive ")
	require.True(t, found, stderr)
	for i, part := range strings.Split(advice, "'") {
		if i%2 == 1 {
			words = append(words, part)
			continue
		}
		line, _, over := strings.Cut(part, " counts ")
		if !over {
			line, _, over = strings.Cut(part, " shows ")
		}
		words = append(words, strings.Fields(line)...)
		if over {
			break
		}
	}
	return words
}

func TestNoAdviceThatCannotBeTyped(t *testing.T) {
	t.Parallel()
	for filter, want := range map[string]string{
		`{"color":"red"}`:                    "to do: redrive job show events -output json says what it was to move",
		`{"q":"a\u0007b"}`:                   "to do: redrive job show events -output json says what it was to move",
		`{"q":"hidden"}`:                     "to do: redrive job show events -output json says what it was to move",
		`{"attributes":{"data.a":"hidden"}}`: "to do: redrive job show events -output json says what it was to move",
		`{}`:                                 "to do: redrive job start events -to 2026-01-02T03:04:05Z -dry-run counts what is left",
		`{"to":"2026-01-01T00:00:00Z"}`:      "to do: redrive job start events -to 2026-01-01T00:00:00Z -dry-run counts what is left",
	} {
		f := newFake(t, says(http.StatusOK, `{"id":"1","state":"stopped","started_at":"2026-01-02T03:04:05Z","filter":`+filter+`}`))
		got := f.run("job", "watch", "events")
		assert.Equal(t, exitFailed, got.code)
		assert.Contains(t, got.stderr, want)
		assert.Contains(t, f.ok("job", "show", "events"), "events: [")
	}
	f := newFake(t, says(http.StatusOK, `{"id":"1","state":"failed","error":"the store is gone"}`))
	assert.Contains(t, f.run("job", "watch", "events").stderr, "to do: redrive job show events shows how it was run")
}

func TestJobShowsHowItIsRun(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.fail(2)
	shown := s.ok("job", "start", "events", "-canary", "1", "-stop-over", "12.5", "-single-attempt", "-q", "it's")
	for _, want := range []string{
		`moves +-q 'it'\\''s'`, `canary +1 entries first, of which 100 % have to be processed`,
		`stops by itself +when more than 12.5 % come back`, `attempts each +a single one`,
	} {
		assert.Regexp(t, want, shown)
	}
	s.ok("job", "watch", "events", "-interval", "1ms")
	assert.Regexp(t, `moves +everything\ncanary +none\nstops by itself +never\nattempts each +as many as usual\n`,
		s.ok("job", "start", "events"))
}

func TestJobs(t *testing.T) {
	t.Parallel()
	s := newService(t)
	got := s.run("jobs", "events")
	assert.Equal(t, result{exitNothing, "", "redrive: there was no retry job of the DLQ of events\n"}, got)
	assert.Equal(t, exitNothing, s.run("jobs", "nothing").code)
	s.fail(2)
	s.ok("settings", "-cooldown", "0")
	s.ok("job", "start", "events", "-correlation-id", "event-001")
	watched := s.run("job", "watch", "events", "-interval", "1ms")
	require.Zero(t, watched.code, watched.stderr)
	require.Eventually(t, func() bool { return s.depth() == 2 }, waitLimit, waitTick)
	s.mended.Store(true)
	s.ok("job", "start", "events")
	s.ok("job", "watch", "events", "-interval", "1ms")
	require.Eventually(t, func() bool { return strings.Contains(s.ok("job", "show", "events"), " 2 processed") }, waitLimit, waitTick)

	table := lines(s.ok("jobs", "events"))
	require.Len(t, table, 3)
	assert.Regexp(t, `^ID +STARTED +BY +STATE +MOVED +PROCESSED +REFUSED +CAME BACK +WAITING +OF +ERROR$`, table[0])
	assert.Regexp(t, `^\S+ +\S+Z +token +completed +2/2 +2 +0 +0 +0 +everything *$`, table[1])
	assert.Regexp(t, `^\S+ +\S+Z +token +completed +1/1 +0 +0 +1 +0 +-correlation-id event-001 *$`, table[2])
	assert.Len(t, lines(s.ok("jobs", "events", "-all", "-output", "json")), 2)
	got = s.run("jobs", "events", "-limit", "1")
	assert.Len(t, lines(got.stdout), 2)
	assert.Equal(t, "1 shown; -limit or -all shows those before them\n", got.stderr)
}

func TestJobsFollowThePages(t *testing.T) {
	t.Parallel()
	pages := []string{`{"jobs":[{"id":"3"},{"id":"2"}],"next_cursor":"2"}`, `{"jobs":[{"id":"1"}]}`}
	f := newFake(t, func(w http.ResponseWriter, _ *http.Request, n int) { reply(w, http.StatusOK, pages[n-1]) })
	assert.Len(t, lines(f.ok("jobs", "events", "-all", "-output", "json")), 3)
	assert.Equal(t, []string{"2"}, f.requests()[1].query["cursor"])
	circle := newFake(t, says(http.StatusOK, pages[0]))
	assert.Contains(t, circle.run("jobs", "events", "-all").stderr, "the same page again")
}

// A job that completed says what there is still to see.
func TestWatchSaysWhatIsToBeSeen(t *testing.T) {
	t.Parallel()
	f := newFake(t, says(http.StatusOK, `{"id":"j1","state":"completed","total":9,"moved":9,"remaining":0,`+
		`"outcome":{"processed":4,"refused":1,"came_back":2,"waiting":2}}`))
	got := f.run("job", "watch", "events")
	assert.Zero(t, got.code)
	assert.Equal(t, "events [##########] 9/9 moved, completed: 4 processed, 1 refused, 2 came back, 2 waiting, 0 remaining\n", got.stdout)
	assert.Contains(t, got.stderr, "redrive list events -job j1 shows what came back")
	assert.Contains(t, got.stderr, "2 of what was moved are not done yet; redrive job show events says")
	assert.Empty(t, f.run("job", "watch", "events", "-output", "json").stderr)
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
		assert.Contains(t, f.ok("job", verb, "events"), "events: [##--------] 1/4 moved, paused: 0 processed, 0 refused, 0 came back, 0 waiting, 3 remaining\n")
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
	assert.Contains(t, s.ok("settings", "-max-round-trips", "3"), "quarantine after  3 round trips\n")
	assert.Contains(t, s.ok("settings", "-batch-size", "7"), "quarantine after  3 round trips\n", "what is not given stays")
	s.ok("settings", "-max-round-trips", "0")
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
	assert.Equal(t, exitNothing, s.run("audit", "-correlation-id", "event-001").code)
	s.fail(1)
	s.ok("retry", "events", s.ids()[0])
	about := lines(s.ok("audit", "-correlation-id", "event-001"))
	require.Len(t, about, 2)
	assert.Regexp(t, ` token +retry +events +\d+ +event-001 +1 +allowed *$`, about[1])
	s.ok("settings", "-batch-size", "7")
	assert.Regexp(t, ` token +configure +0 +allowed +batch_size 7, cooldown_minutes 1$`, lines(s.ok("audit", "-limit", "1"))[1])
}
