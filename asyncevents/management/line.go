package management

import "strings"

// maxLine is how many bytes of an actor or of a name in a request are kept.
const maxLine = 128

// plainLine makes foreign text fit for any store, log and error message, and not long.
func plainLine(text string) string {
	clean := plainText(text)
	return clean[:wholeRunes(clean, maxLine)]
}

// plainText makes foreign text valid UTF-8 on one line without control characters, which not every store takes.
func plainText(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
}
