package memory_test

import (
	"testing"

	"github.com/redrive-go/redrive/backends/backendtest"
	"github.com/redrive-go/redrive/backends/memory"
)

// harness makes empty backends.
func harness() backendtest.Harness {
	return backendtest.Harness{New: func(*testing.T) backendtest.Instance {
		return backendtest.Instance{Backend: memory.New()}
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
