package dlq

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"
)

// maxNormalized is how many bytes of a normalised error tell it from others.
const maxNormalized = 512

// variable finds what differs between failures of one cause, the longest kinds first. What a group matched says what stands in its
// place. A word with a digit in it that is as long as an id is taken for one; other digits are numbers.
var variable = regexp.MustCompile(strings.Join([]string{
	`(?P<time>\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?)?|\b\d\d:\d\d:\d\d(?:[.,]\d+)?)`,
	`(?P<address>[\w.+-]+@[\w-]+(?:\.[\w-]+)+|\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?|\[[0-9A-Fa-f]*:[0-9A-Fa-f:.]*(?:%\w+)?\](?::\d+)?` +
		`|(?:\b[0-9A-Fa-f]{1,4}:){3,}[0-9A-Fa-f:.]*)`,
	`(?P<id>\b[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\b|\b0[xX][0-9A-Fa-f]+\b|\b[\w-]{0,64}\d[\w-]{0,64})`,
}, "|"))

// shortID is the shortest word with letters and digits that is taken for an id.
const shortID = 8

// digits are the numbers within a word that is no id.
var digits = regexp.MustCompile(`\d+`)

// Normalize returns an error's text without what differs from one failure of a cause to the next: times, addresses (of hosts and
// mail), ids and numbers are "<time>", "<address>", "<id>" and "<n>". It is cut to 512 bytes.
func Normalize(text string) string {
	text = variable.ReplaceAllStringFunc(text, func(found string) string {
		return placeholder(found, variable.FindStringSubmatch(found))
	})
	return strings.ToValidUTF8(text[:min(len(text), maxNormalized)], "")
}

// placeholder is what stands for something variable. A match that, on its own, is nothing of the kind is left.
func placeholder(found string, groups []string) string {
	for i, name := range variable.SubexpNames() {
		switch {
		case name == "" || groups == nil || groups[i] == "":
			continue
		case name != "id" || isID(found):
			return "<" + name + ">"
		}
	}
	return digits.ReplaceAllString(found, "<n>")
}

// isID is whether a word with a digit names something.
func isID(word string) bool {
	return strings.HasPrefix(word, "0x") || strings.HasPrefix(word, "0X") ||
		len(word) >= shortID && strings.Trim(word, "0123456789") != ""
}

// Signature names the cause of a failure: 16 hexadecimal digits, the same for failures of one type whose normalised texts are equal.
func (f Failure) Signature() string {
	sum := sha256.Sum256([]byte(f.Type + "\n" + Normalize(f.Message)))
	return hex.EncodeToString(sum[:8])
}
