package callback

import (
	"io"
	"net/http"
	"regexp"
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
	// databases cannot store. Signatures and headers of its Site that a receiver echoed are left out. All else is whatever it chose to send: show it
	// as text.
	Body string
	// Duration is how long the attempt took.
	Duration time.Duration
}

// readBody returns the beginning of a body and drains up to limit bytes of it, so that its connection can be used again.
// A body that breaks off is as good as one that ends: the status is what counts, and it has come. What is to be hidden is left out.
func readBody(body io.Reader, limit int64, hidden []string) string {
	if body == http.NoBody {
		return ""
	}
	limited := io.LimitReader(body, limit)
	head, _ := io.ReadAll(io.LimitReader(limited, MaxResponseBody))
	_, _ = io.Copy(io.Discard, limited)
	return cleanText(head, hidden)
}

// echoedSignature is a signature that comes back in a receiver's answer, also in the ways in which JSON, HTML and URLs write
// its base64.
var echoedSignature = regexp.MustCompile(`v1(,|%2[Cc])[A-Za-z0-9+/=\\%&#;]{16,}`)

func cleanText(b []byte, hidden []string) string {
	text := strings.ToValidUTF8(string(b), "\uFFFD")
	text = strings.ReplaceAll(text, "\x00", "\uFFFD")
	text = echoedSignature.ReplaceAllString(text, "v1,[hidden]")
	for _, secret := range hidden {
		text = strings.ReplaceAll(text, secret, "[hidden]")
	}
	cut := min(len(text), MaxResponseBody) // the replacements are longer than what they replace
	for cut < len(text) && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut]
}
