package main

import (
	"bytes"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/examples/internal/replicas/replicastest"
	"github.com/redrive-go/redrive/internal/testserver"
)

func TestMain(m *testing.M) { replicastest.Main(m, main) }

func TestStory(t *testing.T) {
	t.Parallel()
	dsn := testserver.PostgresSchemaDSN(t)
	replicastest.Story(t, func(out io.Writer) error { return run(t.Context(), dsn, out) })
}

func TestWithoutDatabase(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.ErrorIs(t, run(t.Context(), "", &out), errNoDSN)
	require.ErrorContains(t, run(t.Context(), "postgres://%", &out), "replica a does not start")
	assert.Empty(t, out.String())
}
