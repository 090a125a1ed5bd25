package main

import (
	"encoding/json"
	"testing"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPlain(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Grüße, 世界 👍":         "Grüße, 世界 👍",
		"\x1b]0;owned\x07":    `\x1b]0;owned\x07`,
		"a\r\nb\tc":           `a\r\nb\tc`,
		"\u009b31m":           `\x9b31m`,
		"abc\u202egpj.exe":    `abc\u202egpj.exe`,
		"\U000e0041":          `\U000e0041`,
		"\xff\x9b":            `\ufffd\ufffd`,
		"\ufffd stays":        "\ufffd stays",
		"\x00\x7f\u2028":      `\x00\x7f\u2028`,
		`\x1b as it was sent`: `\x1b as it was sent`,
	} {
		assert.Equal(t, want, plain(text), "%q", text)
	}
	assert.Equal(t, "a\n\tb"+`\r`, plainBlock("a\n\tb\r"))
}

func TestPlainJSONMeansTheSame(t *testing.T) {
	t.Parallel()
	raw := json.RawMessage("{\n \"a\u202e\": \"\u009b31m \x7f \U000e0041 世\",\t\"n\": 1.50}")
	line, err := plainJSON(raw)
	require.NoError(t, err)
	assert.Equal(t, `{"a\u202e":"\u009b31m \u007f \udb40\udc41 世","n":1.50}`, line)
	assert.JSONEq(t, string(raw), line)
	_, err = plainJSON(json.RawMessage("{"))
	assert.Error(t, err)
}

func FuzzPlain(f *testing.F) {
	f.Add("\x1b[2J\xff")
	f.Fuzz(func(t *testing.T, text string) {
		for _, r := range plain(text) {
			require.True(t, unicode.IsPrint(r), "%q", text)
		}
	})
}

func TestCut(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "äöü", cut("äöü", 3))
	assert.Equal(t, "äö…", cut("äöüß", 3))
	assert.Equal(t, "äöüß", shorten("äöüß", 4))
	assert.Equal(t, "Post…ted", shorten("Post to somewhere: rejected", 8))
	assert.Equal(t, "ab…yz", shorten("abcdefghijklmnopqrstuvwxyz", 5))
}

func TestSize(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1536: "1.5 KiB", 256 << 20: "256.0 MiB", 3 << 40: "3.0 TiB", 1 << 60: "1048576.0 TiB"} {
		assert.Equal(t, want, size(n))
	}
}
