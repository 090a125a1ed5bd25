package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var everyFilter = []string{"-correlation-id", "c 1", "-error", "time&out", "-signature", "s", "-q", "ü", "-action", "pay",
	"-attribute", "data.shop=a=b", "-attribute", "data.n=1", "-id", "17, 18", "-id", "9", "-job", "j-1", "-min-redrives", "0",
	"-max-redrives", "2", "-from", "2026-01-02T03:04:05+01:00", "-to", "2026-01-03T00:00:00.5Z"}

func TestFiltersAsParameters(t *testing.T) {
	t.Parallel()
	want := map[string][]string{"correlation_id": {"c 1"}, "error": {"time&out"}, "signature": {"s"}, "q": {"ü"}, "action": {"pay"},
		"attribute": {"data.shop=a=b", "data.n=1"}, "ids": {"17", "18", "9"}, "job": {"j-1"}, "min_redrives": {"0"}, "max_redrives": {"2"},
		"from": {"2026-01-02T02:04:05Z"}, "to": {"2026-01-03T00:00:00.5Z"}}
	for command, c := range map[string]struct{ what, more, value string }{
		"list":   {"GET /manage/api/queues/events/entries", "limit", "50"},
		"erased": {"GET /manage/api/queues/events/erased", "limit", "50"},
		"erase":  {"DELETE /manage/api/queues/events/entries", "confirm", "3"},
	} {
		f := newFake(t, says(http.StatusOK, `{}`))
		args := append([]string{command, "events"}, everyFilter...)
		if command == "erase" {
			args = append(args, "-confirm", "3")
		}
		f.run(args...)
		got := f.requests()[0]
		assert.Equal(t, c.what, got.what)
		assert.Equal(t, []string{c.value}, got.query[c.more])
		delete(got.query, c.more)
		assert.Equal(t, want, got.query, command)
		assert.Empty(t, got.body)
	}
}

func TestFiltersAsFields(t *testing.T) {
	t.Parallel()
	const fields = `"correlation_id":"c 1","error":"time&out","signature":"s","q":"ü","action":"pay",` +
		`"attributes":{"data.shop":"a=b","data.n":"1"},"ids":["17","18","9"],"job":"j-1","min_redrives":0,"max_redrives":2,"from":"2026-01-02T02:04:05Z","to":"2026-01-03T00:00:00.5Z"`
	for _, c := range []struct {
		args       []string
		what, body string
	}{
		{[]string{"job", "start"}, "POST /manage/api/queues/events/retry-job", "{" + fields + "}"},
		{[]string{"job", "start", "-dry-run"}, "POST /manage/api/queues/events/retry-job", `{"dry_run":true,` + fields + "}"},
		{[]string{"job", "start", "-canary", "10", "-stop-over", "12.5", "-single-attempt"}, "POST /manage/api/queues/events/retry-job",
			`{"canary":{"entries":10},"stop_over_percent":12.5,"single_attempt":true,` + fields + "}"},
		{[]string{"job", "start", "-canary-percent", "99.5", "-canary", "10"}, "POST /manage/api/queues/events/retry-job",
			`{"canary":{"entries":10,"min_processed_percent":99.5},` + fields + "}"},
		{[]string{"restore"}, "POST /manage/api/queues/events/erased/restore", "{" + fields + "}"},
		{[]string{"export"}, "POST /manage/api/queues/events/exports", "{" + fields + "}"},
	} {
		f := newFake(t, says(http.StatusBadRequest, refusal(codeUnsupported, "Field 'error' is not supported by this call")))
		got := f.run(append(append(c.args, "events"), everyFilter...)...)
		assert.Equal(t, exitRefused, got.code)
		assert.Contains(t, got.stderr, "Field 'error' is not supported by this call")
		require.Len(t, f.requests(), 1)
		assert.Equal(t, c.what, f.requests()[0].what)
		assert.JSONEq(t, c.body, f.requests()[0].body)
		assert.Equal(t, "application/json", f.requests()[0].header.Get("Content-Type"))
		assert.Empty(t, f.requests()[0].query)
	}
}

func TestNoFilterIsNoBody(t *testing.T) {
	t.Parallel()
	f := newFake(t, says(http.StatusAccepted, `{"id":"1","state":"running"}`))
	f.ok("job", "start", "events")
	assert.Empty(t, f.requests()[0].body)
	assert.Empty(t, f.requests()[0].header.Get("Content-Type"))
}

func TestTimesAgo(t *testing.T) {
	t.Parallel()
	f := newFake(t, says(http.StatusAccepted, `{"dry_run":true,"count":2}`))
	f.ok("job", "start", "events", "-dry-run", "-from", "2h", "-to", "90m")
	var sent struct{ From, To time.Time }
	require.NoError(t, json.Unmarshal([]byte(f.requests()[0].body), &sent))
	assert.WithinDuration(t, time.Now().Add(-2*time.Hour), sent.From, waitLimit)
	assert.WithinDuration(t, time.Now().Add(-90*time.Minute), sent.To, waitLimit)
}

func TestEntriesAreCounted(t *testing.T) {
	t.Parallel()
	var all filter
	some := filter{url.Values{"q": {"x"}}}
	for n, want := range []string{"no entries", "1 entry", "2 entries"} {
		assert.Equal(t, want, all.entries(int64(n)))
	}
	for n, want := range []string{"no matching entries", "1 matching entry", "2 matching entries"} {
		assert.Equal(t, want, some.entries(int64(n)))
	}
}

// A filter that a server tells of is the one that was typed.
func TestFiltersAreReadBack(t *testing.T) {
	t.Parallel()
	sent := newFake(t, says(http.StatusAccepted, `{"id":"1","state":"running"}`))
	sent.ok(append([]string{"job", "start", "events"}, everyFilter...)...)
	which, err := readFilter(json.RawMessage(sent.requests()[0].body))
	require.NoError(t, err)
	again := newFake(t, says(http.StatusAccepted, `{"id":"1","state":"running"}`))
	again.ok(append([]string{"job", "start", "events"}, which.flags()...)...)
	assert.JSONEq(t, sent.requests()[0].body, again.requests()[0].body)
	for _, strange := range []string{`{"color":"red"}`, `{"attributes":{"a=b":"c"}}`, `{"q":7}`, `{"ids":"7"}`, `[]`} {
		_, err := readFilter(json.RawMessage(strange))
		assert.Error(t, err, strange)
	}
}

func TestCommandLine(t *testing.T) {
	t.Parallel()
	assert.Equal(t, `redrive list events -q 'it'\''s $HOME' -attribute 'a.b=c d' -id 17`,
		commandLine("redrive", "list", "events", "-q", "it's $HOME", "-attribute", "a.b=c d", "-id", "17"))
	assert.Equal(t, "''", commandLine(""))
}

// Every criterion reaches a real server and selects there.
func TestCriteriaSelect(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.fail(4)
	ids := s.ids()
	listed := func(args ...string) int { return len(lines(s.ok(append([]string{"list", "events"}, args...)...))) - 1 }
	assert.Equal(t, 2, listed("-id", ids[0]+","+ids[2]))
	assert.Equal(t, 3, listed("-id", ids[0], "-id", ids[1]+", "+ids[3]))
	s.ok("settings", "-cooldown", "0")
	s.ok("job", "start", "events", "-id", ids[1]+","+ids[3])
	s.ok("job", "watch", "events", "-interval", "1ms")
	require.Eventually(t, func() bool { return s.depth() == 4 }, waitLimit, waitTick)
	var last job
	require.NoError(t, json.Unmarshal([]byte(s.ok("job", "show", "events", "-output", "json")), &last))
	assert.Equal(t, 2, listed("-job", last.ID))
	assert.Equal(t, 2, listed("-min-redrives", "1"))
	assert.Equal(t, 2, listed("-max-redrives", "0"))
	assert.Equal(t, 4, listed("-min-redrives", "0", "-max-redrives", "1"))
	assert.Equal(t, "2 matching entries would be erased; nothing was done\n", s.ok("erase", "events", "-dry-run", "-job", last.ID))
	assert.Contains(t, s.run("list", "events", "-job", "none").stderr, "no matching entries")
}
