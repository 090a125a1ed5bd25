package main

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestHelp(t *testing.T) {
	t.Parallel()
	c := newCLI(t, "")
	for _, args := range [][]string{{"help"}, {"-h"}, {"--help"}} {
		help := c.ok(args...)
		for _, cmd := range commands() {
			assert.Contains(t, help, "  "+cmd.usage(), args)
		}
		assert.Contains(t, help, "REDRIVE_TOKEN")
		assert.Contains(t, help, "4    refused")
	}
	for _, cmd := range commands() {
		words := append([]string{"help"}, strings.Fields(cmd.name)...)
		assert.Contains(t, c.ok(words...), "Usage: redrive "+cmd.usage())
		assert.Equal(t, c.ok(words...), c.ok(append(words[1:], "-h")...))
	}
	assert.Contains(t, c.ok("help", "erase"), "-confirm")
	group := c.ok("help", "job")
	for _, cmd := range commands() {
		assert.Equal(t, strings.HasPrefix(cmd.name, "job "), strings.Contains(group, "  "+cmd.usage()), cmd.name)
	}
	assert.Contains(t, group, "redrive help job start")
	assert.Equal(t, group, c.ok("job", "-h"))
	assert.Contains(t, c.ok("help", "export"), "redrive export delete")
}

func TestUsage(t *testing.T) {
	t.Parallel()
	f := newFake(t, says(http.StatusOK, `{}`))
	for line, want := range map[string]string{
		"":                          "a command is missing",
		"frobnicate":                "there is no command frobnicate",
		"job":                       "say which: job start, job stop, job pause, job resume, job show, job watch",
		"help nothing":              "there is no command nothing",
		"queues events":             "queues: it takes no arguments",
		"list":                      "list: it takes QUEUE",
		"list events extra":         "there are 2 arguments",
		"list events -frob":         "-frob",
		"list events -limit 0":      "-limit must be at least 1",
		"list events -output yaml":  "table or json",
		"list events -q=":           "it is empty",
		"list events -q a -q b":     "twice",
		"list events -attribute a":  "path=value",
		"list events -attribute =a": "path=value",
		"list events -attribute a=1 -attribute a=2":   "a is there twice",
		"list events -from yesterday":                 "how long ago",
		"list events -from -2h":                       "how long ago",
		"list events -from 1h -to 2h":                 "-from must be before -to",
		"list events -timeout 0s":                     "-timeout must be more than 0",
		"list ..":                                     `".." names nothing`,
		"show events .":                               `"." names nothing`,
		"retry events":                                "either an ID or --oldest",
		"retry events 1 --oldest":                     "either an ID or --oldest",
		"erase events -confirm -1":                    "number of entries",
		"settings -batch-size many":                   "a whole number",
		"settings -cooldown long":                     "a number of minutes",
		"list events -id":                             "needs an argument",
		"list events -id=":                            "ids of entries",
		"list events -id 1,x":                         "ids of entries",
		"list events -id 0":                           "ids of entries",
		"list events -job a -job b":                   "twice",
		"list events -max-redrives -1":                "a number from 0",
		"list events -min-redrives 3 -max-redrives 2": "-min-redrives must not be more",
		"jobs events -limit 0":                        "-limit must be at least 1",
		"job start events -canary 0":                  "-canary must be at least 1",
		"job start events -canary-percent 90":         "-canary-percent goes with it",
		"job start events -canary some":               "a whole number",
		"export delete":                               "it takes ID",
		"export events -download 1 -q x":              "neither filters nor -format change it",
		"import events x.json -to elsewhere":          "dlq or queue",
		"job watch events -interval 0s":               "more than 0",
		"list events -token-file /nowhere/tok":        "-token-file cannot be read",
		"list events -url localhost":                  "must begin with http",
		"list events -url http://h/?a=b":              "path where the management is mounted",
		"list events -url http://%zz":                 "is not a URL",
	} {
		got := f.run(strings.Fields(line)...)
		assert.Equal(t, exitUsage, got.code, line)
		assert.Contains(t, got.stderr, want, line)
		assert.Contains(t, got.stderr, "  to do: ", line)
		assert.Empty(t, got.stdout, line)
	}
	assert.Empty(t, f.requests(), "nothing was sent")
	f.env["REDRIVE_URL"] = ""
	assert.Contains(t, f.run("queues").stderr, "REDRIVE_URL")
}

func TestSecretsStayOffTheCommandLine(t *testing.T) {
	t.Parallel()
	c := newCLI(t, "")
	for _, url := range []string{"http://alice:geheim@localhost/manage", "http://alice:geheim@%zz"} {
		got := c.run("queues", "-url", url)
		assert.Equal(t, exitUsage, got.code)
		assert.NotContains(t, got.stderr, "geheim")
	}
	path := filepath.Join(t.TempDir(), "token")
	for _, text := range []string{"two\nlines", "\x1b[31m", " \n"} {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		assert.Equal(t, exitUsage, c.run("queues", "-url", "http://localhost", "-token-file", path).code, "%q", text)
	}
}

func TestFlagsStandAnywhere(t *testing.T) {
	t.Parallel()
	f := newFake(t, says(http.StatusOK, `{"id":"-7","queue":"events"}`))
	url := f.env["REDRIVE_URL"]
	f.env["REDRIVE_URL"] = "http://127.0.0.1:1"
	f.ok("-url", url, "show", "events", "7")
	f.ok("-output", "json", "show", "-url", url, "events", "7")
	f.ok("show", "events", "7", "-url="+url)
	assert.Equal(t, "{\"id\":\"-7\",\"queue\":\"events\"}\n", f.ok("show", "-output", "json", "-url", url, "--", "events", "-7"))
	assert.Equal(t, "GET /manage/api/queues/events/entries/-7", f.requests()[3].what)
}

func TestSegmentsStayInTheirPlace(t *testing.T) {
	t.Parallel()
	f := newFake(t, func(w http.ResponseWriter, r *http.Request, _ int) {
		assert.Equal(t, "/manage/api/queues/a%2Fb/entries/..%2F..%3Fx=1", r.URL.EscapedPath())
		reply(w, http.StatusOK, `{}`)
	})
	f.ok("show", "a/b", "../..?x=1")
}

func TestTokens(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.ok("settings", "-batch-size", "7")
	s.env["REDRIVE_URL"] = strings.Replace(s.env["REDRIVE_URL"], "//", "//alice@", 1)
	s.ok("settings", "-batch-size", "8")
	audit := lines(s.ok("audit"))
	assert.Regexp(t, ` alice +configure `, audit[1])
	assert.Regexp(t, ` token +configure `, audit[2])

	s.env["REDRIVE_TOKEN"] = "wrong"
	got := s.run("queues")
	assert.Equal(t, exitRefused, got.code)
	assert.Contains(t, got.stderr, "Authentication failed (401, code 220052)")
	assert.Contains(t, got.stderr, "to do: put the management's token into REDRIVE_TOKEN")
	assert.NotContains(t, got.stderr, "wrong")
	path := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(path, []byte(token+"\n"), 0o600))
	s.ok("queues", "-token-file", path)
}

// closed is an output that nobody reads.
type closed struct{}

func (closed) Write([]byte) (int, error) { return 0, errors.New("nobody listens") }

func TestOutputThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	s := newService(t)
	var stderr bytes.Buffer
	code := run(t.Context(), []string{"queues"}, s.stdin, closed{}, &stderr, func(name string) string { return s.env[name] })
	assert.Equal(t, exitFailed, code)
	assert.Contains(t, stderr.String(), "nobody listens")
}

func TestInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	f := newFake(t, func(http.ResponseWriter, *http.Request, int) { cancel() })
	got := f.runContext(ctx, "queues")
	assert.Equal(t, exitInterrupted, got.code)
	assert.Contains(t, got.stderr, "interrupted")
}
