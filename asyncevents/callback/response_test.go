package callback

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
)

func TestReadBodyKeepsTheBeginningAsText(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ body, want string }{
		"empty":        {"", ""},
		"short":        {"thank you", "thank you"},
		"long":         {strings.Repeat("x", 5000), strings.Repeat("x", MaxResponseBody)},
		"rune cut off": {strings.Repeat("x", MaxResponseBody-1) + "é", strings.Repeat("x", MaxResponseBody-1)},
		"binary":       {"a\xff\xfe\x00b", "a\uFFFD\uFFFDb"},
		"grows":        {strings.Repeat("\x00a", MaxResponseBody), strings.Repeat("\uFFFDa", MaxResponseBody/4)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := readBody(strings.NewReader(c.body), DefaultMaxResponseBytes, nil)
			assert.Equal(t, c.want, got)
			assert.True(t, utf8.ValidString(got))
			assert.LessOrEqual(t, len(got), MaxResponseBody)
		})
	}
}

// What a receiver echoes of a request must not bring its signature to where answers are shown.
func TestReadBodyHidesEchoedSignatures(t *testing.T) {
	t.Parallel()
	const signature = "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H+pI4="
	for name, c := range map[string]struct{ body, want string }{
		"plain":         {"webhook-signature: " + signature, "webhook-signature: v1,[hidden]"},
		"two":           {signature + " " + signature, "v1,[hidden] v1,[hidden]"},
		"JSON":          {`{"h":"` + signature + `"}`, `{"h":"v1,[hidden]"}`},
		"JSON, escaped": {`{"h":"v1,K5oZfzN95Z9UVu1EsfQmfVNQ\/H\u002BpI4\u003D"}`, `{"h":"v1,[hidden]"}`},
		"HTML":          {"<pre>v1,K5oZfzN95Z9UVu1EsfQmfVNQ&#43;pI4&#61;</pre>", "<pre>v1,[hidden]</pre>"},
		"URL":           {"?s=v1%2CK5oZfzN95Z9UVu1EsfQmfVNQ%2BpI4%3D", "?s=v1,[hidden]"},
		"none":          {"use v1, not v2; v1,short", "use v1, not v2; v1,short"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, c.want, readBody(strings.NewReader(c.body), DefaultMaxResponseBytes, nil))
		})
	}
}

func TestReadBodyStopsAtItsLimit(t *testing.T) {
	t.Parallel()
	for _, limit := range []int64{10, MaxResponseBody, 10_000} {
		body := strings.NewReader(strings.Repeat("x", 50_000))
		assert.Len(t, readBody(body, limit, nil), int(min(limit, MaxResponseBody)))
		assert.EqualValues(t, 50_000-limit, body.Len(), "left unread")
	}
}

func TestReadBodyThatBreaksOff(t *testing.T) {
	t.Parallel()
	broken := io.MultiReader(strings.NewReader("so far"), iotest.ErrReader(errors.New("reset")))
	assert.Equal(t, "so far", readBody(broken, 100, nil))
}
