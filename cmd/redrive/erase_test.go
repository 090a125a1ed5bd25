package main

import (
	"context"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestEraseAsksForTheCount(t *testing.T) {
	t.Parallel()
	s := newService(t)
	assert.Equal(t, exitNothing, s.run("erase", "events").code)
	s.fail(12)
	got := s.run("erase", "events")
	assert.Equal(t, exitRefused, got.code)
	assert.Contains(t, got.stderr, "12 entries would be erased, and nobody confirmed it; nothing was erased")
	assert.Contains(t, got.stderr, "to do: -confirm 12 -up-to 12 confirms it")
	assert.Equal(t, "12 entries would be erased; nothing was done\n", s.ok("erase", "events", "-dry-run", "-confirm", "12"))
	assert.JSONEq(t, `{"dry_run":true,"count":12,"up_to":"12"}`, s.ok("erase", "events", "-dry-run", "-output", "json"))

	for typed, want := range map[string]string{"": "nothing was typed", "11\n": "not the number", "yes\n": "not the number",
		"12": "nothing was typed", "\n": "not the number"} {
		s.stdin = typing(typed)
		got := s.run("erase", "events")
		assert.Equal(t, exitRefused, got.code, "%q", typed)
		assert.Contains(t, got.stderr, want, "%q", typed)
		assert.Contains(t, got.stderr, "nothing was erased", "%q", typed)
	}
	assert.EqualValues(t, 12, s.depth())
	assert.Contains(t, s.run("erase", "events", "-dry-run").stderr, "-confirm 12 -up-to 12 means these")
	assert.Contains(t, s.run("erase", "events", "-dry-run", "-up-to", "9").stderr, "-confirm 9 -up-to 9 means these")
	s.stdin = typing(" 12 \n")
	got = s.run("erase", "events")
	assert.Equal(t, "12 erased\n", got.stdout)
	assert.Equal(t, "12 entries in the DLQ of events will be erased. Type 12 to go on: ", got.stderr)
	assert.Zero(t, s.depth())
}

func TestEraseInAScript(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.fail(3)
	got := s.run("erase", "events", "-confirm", "2")
	assert.Equal(t, exitRefused, got.code)
	assert.Contains(t, got.stderr, "the DLQ holds 3 entries now, not 2; nothing was erased")
	assert.EqualValues(t, 3, s.depth())
	s.fail(2) // since the dry run
	assert.JSONEq(t, `{"erased":3}`, s.ok("erase", "events", "-confirm", "3", "-up-to", "3", "-output", "json"))
	assert.EqualValues(t, 2, s.depth())
	for _, upTo := range []string{"last", "", "0"} {
		assert.Equal(t, exitUsage, s.run("erase", "events", "-confirm", "2", "-up-to", upTo).code)
	}
	s.fail(1)
	assert.JSONEq(t, `{"erased":3}`, s.ok("erase", "events", "-confirm", "3", "-output", "json"))
	assert.Zero(t, s.depth())
	assert.JSONEq(t, `{"dry_run":true,"count":0}`, s.run("erase", "events", "-dry-run", "-output", "json").stdout)
}

func TestEraseInterruptedAtTheQuestion(t *testing.T) {
	t.Parallel()
	f := newFake(t, says(http.StatusOK, `{"dry_run":true,"count":3,"up_to":"9"}`))
	ctx, cancel := context.WithCancel(t.Context())
	reader, writer := io.Pipe()
	t.Cleanup(func() { _ = writer.Close() })
	f.stdin = &terminal{Reader: askedReader{reader, cancel}}
	got := f.runContext(ctx, "erase", "events")
	assert.Equal(t, exitInterrupted, got.code)
	assert.Contains(t, got.stderr, "interrupted; nothing was erased")
	assert.Len(t, f.requests(), 1)
}

// askedReader says when it is read from.
type askedReader struct {
	io.Reader
	asked func()
}

func (r askedReader) Read(p []byte) (int, error) {
	r.asked()
	return r.Reader.Read(p)
}

func TestEraseIsRefused(t *testing.T) {
	t.Parallel()
	f := newFake(t, says(http.StatusConflict, refusal(codeExportRuns, "An export of this DLQ is being written")))
	for _, args := range [][]string{{"erase", "events"}, {"erase", "events", "-confirm", "3"}} {
		got := f.run(args...)
		assert.Equal(t, exitRefused, got.code)
		assert.Contains(t, got.stderr, "erase when it is completed")
	}
	f = newFake(t, says(http.StatusOK, `{"erased":3}`))
	got := f.run("erase", "events", "-dry-run")
	assert.Equal(t, exitFailed, got.code)
	assert.Contains(t, got.stderr, "should only have counted")
}
