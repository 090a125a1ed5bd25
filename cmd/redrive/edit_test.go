package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestEdit(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.fail(1)
	s.mended.Store(true)
	id := s.ids()[0]
	assert.JSONEq(t, `{"correlation_id":"event-001","action":"pay","data":{"n":1}}`, s.ok("show", "events", id, "-payload"))
	path := filepath.Join(t.TempDir(), "payload.json")
	require.NoError(t, os.WriteFile(path, []byte(`{"correlation_id":"event-001","action":"pay","data":{"n":2}}`), 0o600))

	dry := s.ok("edit", "events", id, path, "-dry-run")
	assert.Contains(t, dry, "-    \"n\": 1\n+    \"n\": 2\n")
	assert.Contains(t, dry, "nothing was done")
	require.EqualValues(t, 1, s.depth())

	s.stdin = strings.NewReader(`[]`)
	got := s.run("edit", "events", id, "-")
	assert.Equal(t, exitRefused, got.code)
	assert.Contains(t, got.stderr, "not one JSON object")
	assert.Equal(t, exitFailed, s.run("edit", "events", id, path+".gone").code)

	moved := s.ok("edit", "events", id, path)
	assert.Contains(t, moved, "+    \"n\": 2\n")
	assert.Contains(t, moved, "moved back: entry "+id+", correlation id event-001\n")
	assert.Zero(t, s.depth())
	assert.Equal(t, exitNothing, s.run("edit", "events", id, path).code)
}

// What was edited is shown as it was, with the difference, when it comes back.
func TestOriginalIsShown(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.fail(1)
	id := s.ids()[0]
	assert.Equal(t, exitNothing, s.run("show", "events", id, "-original").code, "nobody edited it")
	s.stdin = strings.NewReader(`{"correlation_id":"event-001","action":"pay","data":{"n":2}}`)
	s.ok("edit", "events", id, "-")
	require.Eventually(t, func() bool { return s.depth() == 1 }, waitLimit, waitTick)
	id = s.ids()[0]
	shown := s.ok("show", "events", id, "-original")
	assert.Contains(t, shown, "    \"n\": 1\n  }\n}\n", "the payload as it was")
	assert.Contains(t, shown, "-    \"n\": 1\n+    \"n\": 2\n")
	assert.JSONEq(t, `{"correlation_id":"event-001","action":"pay","data":{"n":1}}`, s.ok("show", "events", id, "-original", "-payload"))
	assert.Contains(t, s.ok("show", "events", id, "-original", "-output", "json"), `"difference":`)
}
