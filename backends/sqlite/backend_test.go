package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/backendtest"
	"github.com/redrive-go/redrive/backends/sqlite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// harness makes backends on empty files.
func harness() backendtest.Harness {
	return backendtest.Harness{Persistent: true, New: func(t *testing.T) backendtest.Instance {
		path := filepath.Join(t.TempDir(), "events.db")
		open := func(t *testing.T) *asyncevents.Backend {
			b, err := sqlite.Open(t.Context(), path, nil)
			require.NoError(t, err)
			return b
		}
		return backendtest.Instance{Backend: open(t), Reopen: open}
	}}
}

func TestBackend(t *testing.T) {
	t.Parallel()
	backendtest.Run(t, harness())
}

func TestPubSub(t *testing.T) {
	t.Parallel()
	backendtest.PubSub(t, harness())
}
