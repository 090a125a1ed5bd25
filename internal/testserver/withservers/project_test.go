package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/internal/testserver"
)

// fakeDocker puts a docker into PATH that runs a script and notes its arguments, and returns a reader of the notes.
func fakeDocker(t *testing.T, script string) func() []string {
	t.Helper()
	dir := t.TempDir()
	notes := filepath.Join(dir, "notes")
	text := "#!/bin/sh\necho \"$*\" >>" + notes + "\n" + script + "\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "docker"), []byte(text), 0o755))
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	return func() []string {
		b, err := os.ReadFile(notes)
		require.NoError(t, err)
		return strings.Split(strings.TrimSpace(string(b)), "\n")
	}
}

func composed(pings *int) testserver.Kind {
	k := testKind
	k.Service, k.Port = "testbase", 77
	k.ComposeDSN = func(address string) string { return "testbase://" + address }
	k.Ping = func(context.Context, string) error {
		if *pings++; *pings < 3 {
			return errors.New("not yet")
		}
		return nil
	}
	return k
}

func TestProject(t *testing.T) {
	notes := fakeDocker(t, `case "$*" in *" port "*) echo 127.0.0.1:4711;; esac`)
	pings := 0
	u, err := (&machine{compose: "file.yaml"}).up(t.Context(), composed(&pings))
	require.NoError(t, err)
	assert.Equal(t, "testbase://127.0.0.1:4711", u.dsn)
	assert.Equal(t, 3, pings, "it is there when one can connect")
	require.NoError(t, u.end())

	did := notes()
	require.Len(t, did, 5)
	assert.Equal(t, []string{"info --format {{.ServerVersion}}", "compose version"}, did[:2])
	for i, want := range []string{"up --detach testbase", "port testbase 77", "down --volumes --timeout 0"} {
		assert.Regexp(t, `^compose --project-name redrive-test-testbase-\d+ --file file.yaml `+want+"$", did[i+2])
	}
}

func TestProjectWithoutEngine(t *testing.T) {
	fakeDocker(t, "echo Cannot connect to the Docker daemon >&2; exit 1")
	_, err := (&machine{}).up(t.Context(), testKind)
	require.ErrorIs(t, err, errUnavailable)
	assert.ErrorContains(t, err, "Cannot connect to the Docker daemon")
}

// What could be started of a service that does not work is removed again.
func TestProjectFails(t *testing.T) {
	notes := fakeDocker(t, `case "$*" in *" up "*) echo no such image >&2; exit 1;; esac`)
	_, err := (&machine{}).up(t.Context(), composed(new(int)))
	require.ErrorContains(t, err, "no such image")
	assert.NotErrorIs(t, err, errUnavailable)
	did := notes()
	assert.Contains(t, did[len(did)-1], "down --volumes")
}

// The kinds and the compose file name the same services and ports.
func TestComposeFile(t *testing.T) {
	t.Parallel()
	file, err := os.ReadFile("../../../compose.yaml")
	require.NoError(t, err)
	for _, k := range testserver.Kinds() {
		assert.Regexp(t, `(?s)\n  `+k.Service+`:\n.*?:`+strconv.Itoa(k.Port)+`"`, string(file))
		assert.Contains(t, k.ComposeDSN("127.0.0.1:1"), "127.0.0.1:1")
	}
}
