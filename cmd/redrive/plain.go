package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Whatever a server says may have been sent by a stranger. A terminal would obey the control characters in it, and
// characters that turn the direction of text, or have no width, make it look like what it is not.

// plain makes foreign text fit for one line of a terminal: what cannot be printed is shown as its escape.
func plain(text string) string { return escape(text, "", escapeText) }

// plainBlock is plain for text of several lines.
func plainBlock(text string) string { return escape(text, "\n\t", escapeText) }

// plainJSON puts a valid document on one line that means the same and prints as it stands.
func plainJSON(raw json.RawMessage) (string, error) {
	var compact bytes.Buffer
	if err := json.Compact(&compact, raw); err != nil {
		return "", err
	}
	return escape(compact.String(), "", escapeJSON), nil
}

// escape replaces every character that cannot be printed, apart from the kept ones.
func escape(text, keep string, escaped func(r rune) string) string {
	var b strings.Builder
	for i, r := range text {
		broken := r == utf8.RuneError && !strings.HasPrefix(text[i:], "\uFFFD")
		if !broken && (unicode.IsPrint(r) || strings.ContainsRune(keep, r)) {
			b.WriteRune(r)
			continue
		}
		b.WriteString(escaped(r))
	}
	return b.String()
}

func escapeText(r rune) string {
	switch {
	case r == '\n':
		return `\n`
	case r == '\r':
		return `\r`
	case r == '\t':
		return `\t`
	case r < 0x100:
		return fmt.Sprintf(`\x%02x`, r)
	case r < 0x10000:
		return fmt.Sprintf(`\u%04x`, r)
	}
	return fmt.Sprintf(`\U%08x`, r)
}

// escapeJSON is for characters within strings, the only place where a document has any that cannot be printed.
func escapeJSON(r rune) string {
	if r < 0x10000 {
		return fmt.Sprintf(`\u%04x`, r)
	}
	high, low := utf16.EncodeRune(r)
	return fmt.Sprintf(`\u%04x\u%04x`, high, low)
}

// cut shortens text to so many characters.
func cut(text string, most int) string {
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	return string([]rune(text)[:most-1]) + "…"
}

// shorten takes so much from the middle of text that so many characters are left: what matters stands at either end.
func shorten(text string, most int) string {
	runes := []rune(text)
	if len(runes) <= most {
		return text
	}
	tail := (most - 1) / 2
	return string(runes[:most-1-tail]) + "…" + string(runes[len(runes)-tail:])
}
