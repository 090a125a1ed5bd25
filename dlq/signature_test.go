package dlq_test

import (
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"

	"github.com/redrive-go/redrive/dlq"
)

func TestNormalize(t *testing.T) {
	for text, want := range map[string]string{
		"":                     "",
		"connection refused":   "connection refused",
		"account 17 is closed": "account <n> is closed",
		"took 1.5s of 30s":     "took <n>.<n>s of <n>s",
		"dial tcp 10.0.0.7:5432: connect: refused":           "dial tcp <address>: connect: refused",
		"dial tcp [2001:db8::1]:443: i/o timeout":            "dial tcp <address>: i/o timeout",
		"mail to ann.b+c@shop.example failed":                "mail to <address> failed",
		"at 2026-01-02T03:04:05.678Z: late":                  "at <time>: late",
		"at 2026-01-02 03:04:05+01:00, 11:22:33":             "at <time>, <time>",
		"event 0197f2a4-5f5e-7c1c-8a6b-0a1b2c3d4e5f is gone": "event <id> is gone",
		"order ord_1a2b3c4d at 0xc000123 of v2":              "order <id> at <id> of v<n>",
		"HTTP/1.1 503":                                       "HTTP/<n>.<n> <n>",
		"a-very-long-word-without any digits":                "a-very-long-word-without any digits",
		"12345678901234567890 points":                        "<n> points",
		"Größe 12 überschritten":                             "Größe <n> überschritten",
	} {
		assert.Equal(t, want, dlq.Normalize(text), text)
	}
}

// Failures of one cause share a signature, whatever differs; those of others do not.
func TestSignature(t *testing.T) {
	one := dlq.Failure{Type: "*net.OpError", Message: "dial tcp 10.0.0.7:5432: refused after 30ms"}
	assert.Len(t, one.Signature(), 16)
	assert.Equal(t, one.Signature(), dlq.Failure{Type: one.Type, Message: "dial tcp 10.1.0.9:80: refused after 7ms"}.Signature())
	assert.NotEqual(t, one.Signature(), dlq.Failure{Type: "error", Message: one.Message}.Signature())
	assert.NotEqual(t, one.Signature(), dlq.Failure{Type: one.Type, Message: "dial tcp 10.0.0.7:5432: reset after 30ms"}.Signature())
}

func TestNormalizeIsBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		got := dlq.Normalize(rapid.StringN(0, 3000, -1).Draw(t, "text"))
		assert.LessOrEqual(t, len(got), 512)
		assert.True(t, utf8.ValidString(got))
	})
}
