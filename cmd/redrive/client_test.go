package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestProblems(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		body   string
		code   int
		says   []string
	}{
		"a filter that the server does not know": {400, refusal(codeUnsupported, "Parameter 'error' is not supported by this call"), exitRefused,
			[]string{"redrive: Parameter 'error' is not supported by this call (400, code 203501)", "where: GET http://", "to do: bring the service up to date"}},
		"an unknown queue": {404, refusal(codeNoQueue, "There is no such queue: it is events or callbacks"), exitNothing,
			[]string{"events or callbacks", "redrive queues"}},
		"another mount":       {404, refusal(codeNoPath, "There is nothing at this path"), exitFailed, []string{"check -url"}},
		"a paused job":        {409, refusal(codeNotPaused, "The retry job of this queue is not paused"), exitRefused, []string{"to do: redrive job show events shows"}},
		"a damaged file":      {400, refusal(codeBadImport, "The file is no export"), exitFailed, []string{"what stands before the fault was imported"}},
		"no right":            {403, refusal(203510, "You are not allowed to do this"), exitRefused, []string{"ask those who run the service"}},
		"a store that is off": {503, refusal(203503, "The store could not be used now"), exitFailed, []string{"try again in 5 s; ", "its log says why"}},
		"a proxy's error":     {502, "<html>", exitFailed, []string{"502 Bad Gateway", "check -url"}},
		"a proxy's login":     {401, "<html>", exitRefused, []string{"401", "REDRIVE_TOKEN"}},
		"somebody else":       {200, "<html>", exitFailed, []string{"not one of a Redrive management", "check -url"}},
		"a redirect":          {302, "", exitFailed, []string{"leads elsewhere: to https://elsewhere/", "-url"}},
		"another shape":       {200, `{"entries":7}`, exitFailed, []string{"not what the management API says"}},
		"control characters":  {400, refusal(1, "bad \x07bell\u009b"), exitRefused, []string{`bad \x07bell\x9b`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t, func(w http.ResponseWriter, _ *http.Request, _ int) {
				if c.status == http.StatusServiceUnavailable {
					w.Header().Set("Retry-After", "5")
				}
				if c.status == http.StatusFound {
					w.Header().Set("Location", "https://elsewhere/")
				}
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			})
			got := f.run("list", "events", "-error", "x")
			assert.Equal(t, c.code, got.code)
			for _, want := range c.says {
				assert.Contains(t, got.stderr, want)
			}
			assert.Empty(t, got.stdout)
			assert.Len(t, f.requests(), 1)
		})
	}
}

func TestNoAnswer(t *testing.T) {
	t.Parallel()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for _, command := range []string{"queues", "settings"} {
		got := newCLI(t, gone.URL).run(command)
		assert.Equal(t, exitFailed, got.code)
		assert.Contains(t, got.stderr, "no answer: dial tcp")
		assert.Contains(t, got.stderr, "to do: check -url")
	}
	assert.Contains(t, newCLI(t, gone.URL).run("retry", "events", "1").stderr, "check -url", "it was certainly not done")

	broken := newFake(t, func(http.ResponseWriter, *http.Request, int) { panic(http.ErrAbortHandler) })
	assert.Contains(t, broken.run("retry", "events", "1").stderr, "it may have been done all the same")
	assert.Contains(t, broken.run("show", "events", "1").stderr, "check -url")
}

func TestSlowAnswer(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	f := newFake(t, func(http.ResponseWriter, *http.Request, int) { <-release })
	t.Cleanup(func() { close(release) }) // before the server closes, which waits
	got := f.run("queues", "-timeout", "20ms")
	assert.Equal(t, exitFailed, got.code)
	assert.Contains(t, got.stderr, "no answer in time")
	assert.Contains(t, got.stderr, "-timeout 5m waits longer")
}
