package foreign

import (
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/backendtest"
	"github.com/redrive-go/redrive/backends/memory"
	"github.com/redrive-go/redrive/backends/sqlite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// config is one for a broker, without a log.
func config(b *broker) *Config {
	return &Config{Waiting: b.waiting, Logger: slog.New(slog.DiscardHandler)}
}

func open(t *testing.T, b *broker, store *asyncevents.Backend, cfg *Config) *asyncevents.Backend {
	t.Helper()
	backend, err := New(b, b, store, cfg)
	require.NoError(t, err)
	return backend
}

func onMemory(t *testing.T) backendtest.Instance {
	b := newBroker()
	return backendtest.Instance{Backend: open(t, b, memory.New(), config(b))}
}

// onSQLite has a broker that outlives the backend.
func onSQLite(t *testing.T) backendtest.Instance {
	b, path := newBroker(), filepath.Join(t.TempDir(), "events.db")
	again := func(t *testing.T) *asyncevents.Backend {
		store, err := sqlite.Open(t.Context(), path, nil)
		require.NoError(t, err)
		return open(t, b, store, config(b))
	}
	return backendtest.Instance{Backend: again(t), Reopen: again}
}

func TestBackend(t *testing.T) {
	t.Parallel()
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		backendtest.Run(t, backendtest.Harness{New: onMemory})
	})
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		backendtest.Run(t, backendtest.Harness{New: onSQLite, Persistent: true})
	})
}

func TestPubSub(t *testing.T) {
	t.Parallel()
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		backendtest.PubSub(t, backendtest.Harness{New: onMemory})
	})
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		backendtest.PubSub(t, backendtest.Harness{New: onSQLite, Persistent: true})
	})
}

func TestNewNamesEveryFault(t *testing.T) {
	t.Parallel()
	_, err := New(nil, nil, nil, &Config{Inboxes: -1, PublishTimeout: -1})
	for _, name := range []string{"publisher", "subscriber", "store", "Inboxes", "PublishTimeout"} {
		require.ErrorContains(t, err, name)
	}
	_, err = New(newBroker(), newBroker(), &asyncevents.Backend{}, nil)
	require.ErrorContains(t, err, "whole backend")
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	b := newBroker()
	backend := open(t, b, memory.New(), nil)
	assert.Equal(t, "foreign", backend.Name)
	require.NoError(t, backend.Ping(t.Context()))
	require.NoError(t, backend.Close())
	require.Error(t, backend.Ping(t.Context()))
	assert.False(t, b.closed.Load(), "it is the host's")
}
