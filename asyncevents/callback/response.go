package callback

import (
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// MaxResponseBody is how much of an answer's body a Response keeps, in bytes.
const MaxResponseBody = 2 << 10

// Response is what the receiver answered.
type Response struct {
	// Status is the HTTP status; 0 when there was no answer.
	Status int
	// Body is the beginning of the answer's body, at most MaxResponseBody bytes of valid UTF-8 without NUL, which some
	// databases cannot store. It is whatever the receiver chose to send: show it as text.
	Body string
	// Duration is how long the attempt took.
	Duration time.Duration
}

// readBody returns the beginning of a body and drains up to limit bytes of it, so that its connection can be used again.
// A body that breaks off is as good as one that ends: the status is what counts, and it has come.
func readBody(body io.Reader, limit int64) string {
	limited := io.LimitReader(body, limit)
	head, _ := io.ReadAll(io.LimitReader(limited, MaxResponseBody))
	_, _ = io.Copy(io.Discard, limited)
	return cleanText(head)
}

func cleanText(b []byte) string {
	text := strings.ToValidUTF8(string(b), "\uFFFD")
	text = strings.ReplaceAll(text, "\x00", "\uFFFD")
	cut := min(len(text), MaxResponseBody) // the replacements are longer than what they replace
	for cut < len(text) && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut]
}
