package main

import (
	"bytes"
	"os"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/redrive-go/redrive/internal/testserver"
)

// TestMain is a replica as well, since run starts its own program.
func TestMain(m *testing.M) {
	if _, _, ok := asked(); ok {
		main()
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

func TestStory(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), testserver.PostgresSchemaDSN(t), &out))
	t.Log(out.String())
	row := func(name string) (accepted, processed, taken int) {
		found := regexp.MustCompile(`(?m)^` + name + ` +(\d+) +(\d+) +(\d+)$`).FindStringSubmatch(out.String())
		require.Len(t, found, 4, "%s in %s", name, out.String())
		var numbers [3]int
		for i := range numbers {
			var err error
			numbers[i], err = strconv.Atoi(found[i+1])
			require.NoError(t, err)
		}
		return numbers[0], numbers[1], numbers[2]
	}
	total := 0
	for _, name := range []string{"a", "b, killed", "c"} {
		accepted, processed, taken := row(name)
		assert.Equal(t, eventsEach, accepted)
		if name == "b, killed" {
			assert.Zero(t, taken)
		} else {
			assert.Positive(t, processed)
		}
		total += processed
	}
	accepted, processed, taken := row("all")
	assert.Equal(t, eventsEach*len(names), accepted)
	assert.Equal(t, accepted, processed)
	assert.Equal(t, processed, total)
	assert.Positive(t, taken, "it was killed at work")
}

func TestWithoutDatabase(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.ErrorIs(t, run(t.Context(), "", &out), errNoDSN)
	require.ErrorContains(t, run(t.Context(), "postgres://%", &out), "replica a does not start")
	assert.Empty(t, out.String())
}
