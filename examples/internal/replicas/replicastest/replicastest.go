// Package replicastest tests programs that tell the story of package replicas.
package replicastest

import (
	"bytes"
	"io"
	"os"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/redrive-go/redrive/examples/internal/replicas"
)

// Main is the TestMain of such a program. Its test is a replica as well, since the story starts its own program.
func Main(m *testing.M, program func()) {
	if replicas.Asked() {
		program()
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// Story runs the program and checks what it tells: nothing is lost, and some events were taken over from the replica that was killed.
func Story(t *testing.T, run func(out io.Writer) error) {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, run(&out))
	t.Log(out.String())
	total := 0
	for _, name := range []string{"a", "b, killed", "c"} {
		accepted, processed, taken := row(t, out.String(), name)
		assert.Equal(t, replicas.EventsEach, accepted)
		if name == "b, killed" {
			assert.Zero(t, taken)
		} else {
			assert.Positive(t, processed)
		}
		total += processed
	}
	accepted, processed, taken := row(t, out.String(), "all")
	assert.Equal(t, replicas.EventsEach*len(replicas.Names), accepted)
	assert.Equal(t, accepted, processed)
	assert.Equal(t, processed, total)
	assert.Positive(t, taken, "it was killed at work")
}

// row reads a row of the table that ends the story.
func row(t *testing.T, story, name string) (accepted, processed, taken int) {
	t.Helper()
	found := regexp.MustCompile(`(?m)^` + name + ` +(\d+) +(\d+) +(\d+)$`).FindStringSubmatch(story)
	require.Len(t, found, 4, "%s in %s", name, story)
	var numbers [3]int
	for i := range numbers {
		var err error
		numbers[i], err = strconv.Atoi(found[i+1])
		require.NoError(t, err)
	}
	return numbers[0], numbers[1], numbers[2]
}
