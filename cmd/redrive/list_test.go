package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestListFollowsThePages(t *testing.T) {
	t.Parallel()
	s := newService(t)
	got := s.run("list", "events")
	assert.Equal(t, result{exitNothing, "", "redrive: no entries in the DLQ of events\n"}, got)
	assert.Equal(t, exitNothing, s.run("list", "nothing").code)

	s.fail(250)
	all := lines(s.ok("list", "events", "-all", "-output", "json"))
	assert.Len(t, all, 250)
	seen := map[string]bool{}
	for _, line := range all {
		seen[line] = true
	}
	assert.Len(t, seen, 250, "each once")
	got = s.run("list", "events")
	assert.Len(t, lines(got.stdout), 51, "a header and the default")
	assert.Equal(t, "50 shown; there are 250 entries in the DLQ of events. -limit or -all shows more\n", got.stderr)
	got = s.run("list", "events", "-limit", "230")
	assert.Len(t, lines(got.stdout), 231)
	assert.Empty(t, s.run("list", "events", "-limit", "250").stderr)
}

func TestTablesAreFitForATerminal(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.fail(1)
	table := lines(s.ok("list", "events"))
	assert.Regexp(t, `^ID +ENTERED +CORRELATION ID +ATTEMPTS +REDRIVES +ERROR$`, table[0])
	assert.Regexp(t, `^\d+ +\d{4}-\S+Z +event-001 +1 +0 +no \\x1b\[31mluck\\u202e$`, table[1])
	assert.Contains(t, s.ok("list", "events", "-output", "json"), `no \u001b[31mluck\u202e`)

	id := s.ids()[0]
	shown := s.ok("show", "events", id)
	for _, want := range []string{"entry              " + id + " in the DLQ of events\n", "in an export       no\n",
		`error: no \x1b[31mluck\u202e`, "attempt 1  ", "payload:\n{\n  \"correlation_id\": \"event-001\",\n"} {
		assert.Contains(t, shown, want)
	}
	assert.Contains(t, s.ok("show", "events", id, "-output", "json"), `"payload":{"correlation_id":"event-001"`)
	assert.Equal(t, exitNothing, s.run("show", "events", "999999").code)
	queues := lines(s.ok("queues"))
	assert.Regexp(t, `^events +1 +\S+Z +0 +0 +0 +-$`, queues[1])
	assert.Regexp(t, `^callbacks +0 +- +0 +0 +0 +-$`, queues[2])
}

func TestPayloadsOfAllKinds(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"id":"1","payload":{"a":"\u001b` + "\u009b" + `"}}`:              "payload:\n{\n  \"a\": \"\\u001b\\x9b\"\n}\n",
		`{"id":"1","payload_base64":"AAE="}`:                               "in base64:\nAAE=\n",
		`{"id":"1","payload_hidden":true}`:                                 "payload: hidden; you have no right to see it\n",
		`{"id":"1","payload":[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]}`: "payload:\n[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]\n",
		`{"id":"1","payload":1,"attempts":[{"number":2,"duration_ms":1500,"response_status":500,"response_body":"a\nb"}]}`: "attempt 2  -  took 1.5s  answered 500  \n  answer: a\\nb\n",
	} {
		assert.Contains(t, newFake(t, says(http.StatusOK, body)).ok("show", "callbacks", "1"), want)
	}
}

// A payload alone is what was sent, to its last byte, or nothing.
func TestPayloadAlone(t *testing.T) {
	t.Parallel()
	f := newFake(t, says(http.StatusOK, `{"id":"1","payload":{"a":  "\u001b`+"\u009b"+`"}}`))
	assert.Equal(t, `{"a":  "\u001b`+"\u009b"+`"}`, f.ok("show", "events", "1", "-payload"))
	f = newFake(t, says(http.StatusOK, `{"id":"1","payload_base64":"AAE="}`))
	assert.Equal(t, "\x00\x01", f.ok("show", "events", "1", "-payload"))
	f = newFake(t, says(http.StatusOK, `{"id":"1","payload_hidden":true}`))
	got := f.run("show", "events", "1", "-payload")
	assert.Equal(t, exitRefused, got.code)
	assert.Contains(t, got.stderr, "the payload is hidden from you")
	assert.Contains(t, newFake(t, says(http.StatusOK, `{"id":"1","redrives":1,"job":"j1"}`)).ok("show", "events", "1"),
		"moved back before  once, the last time by job j1\n")
}

// page is one with the entries of those ids.
func page(next string, complete bool, ids ...int) string {
	entries := ""
	for i, id := range ids {
		if i > 0 {
			entries += ","
		}
		entries += fmt.Sprintf(`{"id":"%d","error":{"type":"T","message":"m"}}`, id)
	}
	return fmt.Sprintf(`{"entries":[%s],"next_cursor":%q,"complete":%t,"total":9}`, entries, next, complete)
}

func TestSearchThatIsCutOffGoesOn(t *testing.T) {
	t.Parallel()
	pages := []string{page("a", false), page("b", false, 4), page("c", false), page("d", true, 7, 8)}
	f := newFake(t, func(w http.ResponseWriter, _ *http.Request, n int) { reply(w, http.StatusOK, pages[n-1]) })
	got := f.run("list", "events", "-error", "rare", "-limit", "3")
	assert.Zero(t, got.code)
	assert.Len(t, lines(got.stdout), 4)
	var cursors, limits []string
	for _, r := range f.requests() {
		assert.Equal(t, []string{"rare"}, r.query["error"])
		cursors = append(cursors, r.query["cursor"]...)
		limits = append(limits, r.query["limit"]...)
	}
	assert.Equal(t, []string{"a", "b", "c"}, cursors)
	assert.Equal(t, []string{"3", "3", "2", "2"}, limits)
}

func TestListThatGoesInCircles(t *testing.T) {
	t.Parallel()
	got := newFake(t, says(http.StatusOK, page("a", false))).run("list", "events", "-all")
	assert.Equal(t, exitFailed, got.code)
	assert.Contains(t, got.stderr, "the same page again")
}

// The reason stands at the end of an error, which no table cuts off.
func TestReasonsAreShown(t *testing.T) {
	t.Parallel()
	for message, want := range map[string]string{
		`{"type":"panic","message":"panic: index out of range"}`:                                       "panic: index out of range",
		`{"type":"panic","message":"step 3: panic: boom"}`:                                             "panic: step 3: panic: boom",
		`{"type":"*callback.StatusError","message":"callback: send 01a21fff-0000-7000: answered 500"}`: "*callback.StatusError: answered 500",
		`{"type":"error","message":"callback: send 01a21fff-0000-7000: ` + strings.Repeat("x", 200) + `: connection refused"}`: strings.Repeat("x", 40) + "…" +
			strings.Repeat("x", 19) + ": connection refused",
	} {
		f := newFake(t, says(http.StatusOK, `{"entries":[{"id":"1","error":`+message+`}]}`))
		assert.True(t, strings.HasSuffix(lines(f.ok("list", "callbacks"))[1], "  "+want), "%s: %s", message, f.ok("list", "callbacks"))
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	f := newFake(t, func(w http.ResponseWriter, _ *http.Request, n int) {
		body := `{"errors":[]}`
		if n < 4 {
			body = `{"errors":[{"signature":"s1","error":{"type":"*net.OpError","message":"dial <address>"},"count":12,` +
				`"first_seen":"2026-01-02T03:04:05Z","last_seen":"2026-01-02T04:04:05Z","sample":{"id":"1"}},` +
				`{"signature":"s2","error":"a mere text","count":1}]}`
		}
		reply(w, http.StatusOK, body)
	})
	table := lines(f.ok("errors", "events"))
	assert.Regexp(t, `^12 +s1 +2026-01-02T03:04:05Z +2026-01-02T04:04:05Z +\*net.OpError: dial <address>$`, table[1])
	assert.Regexp(t, `^1 +s2 +- +- +a mere text$`, table[2])
	assert.Len(t, lines(f.ok("errors", "events", "-output", "json")), 2)
	got := f.run("errors", "events", "-limit", "2")
	assert.Equal(t, "2 groups shown; there may be more, which -limit shows\n", got.stderr)
	assert.Equal(t, exitNothing, f.run("errors", "events").code)
	assert.Equal(t, "GET /manage/api/queues/events/errors", f.requests()[0].what)
	assert.Empty(t, f.requests()[0].query)
	assert.Equal(t, []string{"2"}, f.requests()[2].query["limit"])
}
