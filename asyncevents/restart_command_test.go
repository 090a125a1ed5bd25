package asyncevents_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/internal/testserver"
)

// asRestart, followed by a URL, makes the test binary the command of restartCommand.
const asRestart = "restart"

// restartCommand is a command that has the test restart a server, and ends when that is up again. It only asks: a server dies
// with the process that started it, so that must be the test.
func restartCommand(t *testing.T, server *testserver.Server) []string {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	var restarting sync.Mutex
	asked := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		restarting.Lock()
		defer restarting.Unlock()
		if err := errors.Join(server.Stop(), server.Start(r.Context())); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}))
	t.Cleanup(asked.Close)
	return []string{self, asRestart, asked.URL}
}

// askRestart is the command. It returns its exit code.
func askRestart(url string) int {
	response, err := http.Post(url, "", nil) //nolint:noctx,gosec // ours
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		fmt.Fprintln(os.Stderr, "the restart failed:", response.Status)
		return 1
	}
	return 0
}
