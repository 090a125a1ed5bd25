package callback

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/internal/testserver"
)

// signed is a callback as a receiver in JavaScript gets it.
type signed struct {
	Secret  string            `json:"secret"`
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
}

// TestJavaScriptLibraryVerifies has the official JavaScript library verify what was sent.
func TestJavaScriptLibraryVerifies(t *testing.T) {
	t.Parallel()
	script := javaScript(t)
	server, seen := capture(t, http.StatusOK, nil)
	s := senderFor(t, dialHooks{}, func(c *Config) { c.Secrets = []string{secretTwo, secretOne} })
	request := requestTo(server.URL)
	request.Body = []byte(`{"name":"Zoë \u2028 ‰","n":1.50}`)
	_, err := s.Send(t.Context(), request)
	require.NoError(t, err)
	got := <-seen
	as := func(secret, body string) signed {
		c := signed{secret, map[string]string{}, body}
		for name := range got.header {
			c.Headers[strings.ToLower(name)] = got.header.Get(name)
		}
		return c
	}
	body := string(got.body)
	assert.Equal(t, []bool{true, true, false, false}, verdicts(t, script, []signed{
		as(secretOne, body), as(secretTwo, body), as(secretOld, body), as(secretOne, body+" "),
	}))
}

// verdicts says which callbacks the library verifies.
func verdicts(t *testing.T, script string, callbacks []signed) (verdicts []bool) {
	t.Helper()
	in, err := json.Marshal(callbacks)
	require.NoError(t, err)
	node := exec.CommandContext(t.Context(), "node", script)
	node.Stdin = bytes.NewReader(in)
	out, err := node.Output()
	require.NoError(t, err, "%s", exitText(err))
	require.NoError(t, json.Unmarshal(out, &verdicts))
	return verdicts
}

// exitText is what a program that failed had to say.
func exitText(err error) string {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return string(exit.Stderr)
	}
	return ""
}

// javaScript returns the script, beside the pinned packages that it needs, or skips the test.
func javaScript(t *testing.T) string {
	t.Helper()
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			lack(t, program+" is not installed: Standard Webhooks for JavaScript needs it")
		}
	}
	dir := filepath.Join("..", "..", ".cache", "standardwebhooks")
	require.NoError(t, os.MkdirAll(dir, 0o750))
	for _, name := range []string{"package.json", "package-lock.json", "verify.js"} {
		content, err := os.ReadFile(filepath.Join("testdata", "standardwebhooks", name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), content, 0o600))
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules", ".package-lock.json")); err != nil {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		npm := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
		npm.Dir = dir
		if out, err := npm.CombinedOutput(); err != nil {
			lack(t, "npm cannot install Standard Webhooks: "+string(out))
		}
	}
	return filepath.Join(dir, "verify.js")
}

// lack ends a test that cannot run.
func lack(t *testing.T, why string) {
	t.Helper()
	if testserver.Required() {
		t.Fatal(why)
	}
	t.Skip(why)
}
