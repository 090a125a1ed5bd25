package asyncevents

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestProblemIsTheValueOfError(t *testing.T) {
	t.Parallel()
	encoded, err := json.Marshal(newEmptyPropertyProblem("customer"))
	require.NoError(t, err)
	const want = `{"type":"BadRequestException","code":203401,"message":"Property 'customer' cannot be empty"}`
	assert.Equal(t, want, string(encoded))
	assert.EqualError(t, newEmptyPropertyProblem("customer"), "203401: Property 'customer' cannot be empty")
}

func TestProblemDefaults(t *testing.T) {
	t.Parallel()
	want := Problem{HTTPStatus: 400, Type: "BadRequestException", Code: CodeMalformed}
	for _, status := range []int{0, -1, 99, 200, 302, 399, 600} {
		bare := Problem{HTTPStatus: status}
		assert.Equal(t, want, bare.withDefaults())
		assert.Equal(t, status, bare.HTTPStatus, "the validator's own value stays")
	}
	own := Problem{HTTPStatus: 418, Type: "Teapot", Code: 1, Message: "m", RetryAfter: time.Second}
	assert.Equal(t, own, own.withDefaults())
}

func TestProblemRetryAfter(t *testing.T) {
	t.Parallel()
	for wait, want := range map[time.Duration]string{
		-time.Second: "", 0: "", time.Nanosecond: "1", time.Second: "1", 1001 * time.Millisecond: "2", time.Hour: "3600",
	} {
		assert.Equal(t, want, (&Problem{RetryAfter: wait}).retryAfterSeconds())
	}
}

func TestProblemCutsWhatItRepeats(t *testing.T) {
	t.Parallel()
	message := newInvalidActionProblem("x" + strings.Repeat("ä", 100_000)).Message
	assert.LessOrEqual(t, len(message), len("Invalid action: ")+maxProblemEcho+len("…"))
	assert.True(t, utf8.ValidString(message))
	assert.Equal(t, "Invalid action: "+strings.Repeat("x", 128), newInvalidActionProblem(strings.Repeat("x", 128)).Message)
}
