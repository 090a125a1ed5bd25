package main

import (
	"bytes"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/examples/internal/replicas"
	"github.com/redrive-go/redrive/examples/internal/replicas/replicastest"
	"github.com/redrive-go/redrive/internal/testserver"
)

func TestMain(m *testing.M) { replicastest.Main(m, main) }

// The broker is the test's own, so that nobody minds its queues. The stories follow one another, since they have the same.
func TestStory(t *testing.T) {
	t.Parallel()
	broker := testserver.PrivateRabbitMQ(t).DSN()
	for name, store := range map[string]func(testing.TB) string{
		"sqlite": func(testing.TB) string { return "" }, "postgres": testserver.PostgresSchemaDSN,
	} {
		t.Run(name, func(t *testing.T) {
			at := replicas.Place{DSN: broker, StoreDSN: store(t)}
			replicastest.Story(t, func(out io.Writer) error { return run(t.Context(), at, out) })
		})
	}
}

func TestWithoutBroker(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.ErrorIs(t, run(t.Context(), replicas.Place{}, &out), errNoDSN)
	require.ErrorContains(t, run(t.Context(), replicas.Place{DSN: "amqp://%"}, &out), "replica a does not start")
	assert.Empty(t, out.String())
}
