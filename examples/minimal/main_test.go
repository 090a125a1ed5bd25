package main

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestReadme holds that what the README shows is part of this program, or of those in examples/outbox, rabbitmq and nats.
func TestReadme(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	var sources strings.Builder
	for _, name := range []string{"main.go", "../outbox/shop.go", "../rabbitmq/main.go", "../nats/shop.go"} {
		source, err := os.ReadFile(name)
		require.NoError(t, err)
		_, _ = sources.Write(source)
	}
	blocks := 0
	for rest := string(readme); ; blocks++ {
		_, after, found := strings.Cut(rest, "```go\n")
		if !found {
			break
		}
		block, next, _ := strings.Cut(after, "```\n")
		assert.Contains(t, sources.String(), block)
		rest = next
	}
	assert.Positive(t, blocks)
}

func TestRun(t *testing.T) {
	const addr = "127.0.0.1:48291"
	t.Setenv("MANAGE_TOKEN", "secret")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, addr, filepath.Join(t.TempDir(), "events.db")) }()

	post := func() (*http.Response, error) {
		return http.Post("http://"+addr+"/v1/async/events", "application/json",
			strings.NewReader(`{"customer":"c1","action":"point_add","data":{"points":5}}`))
	}
	var answer *http.Response
	require.Eventually(t, func() (ok bool) {
		var err error
		answer, err = post()
		return err == nil
	}, 10*time.Second, 20*time.Millisecond)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, http.StatusAccepted, answer.StatusCode)
	location := "http://" + addr + answer.Header.Get("Location")
	require.Eventually(t, func() bool {
		answer, err := http.Get(location) //nolint:bodyclose // closed below
		require.NoError(t, err)
		body, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		return strings.Contains(string(body), `"response":{"success":{"balance":325},"error":[]}`)
	}, 10*time.Second, 20*time.Millisecond)

	manage, err := http.Get("http://" + addr + "/manage/")
	require.NoError(t, err)
	require.NoError(t, manage.Body.Close())
	assert.Equal(t, http.StatusUnauthorized, manage.StatusCode)
	cancel()
	require.NoError(t, <-ended)
}
