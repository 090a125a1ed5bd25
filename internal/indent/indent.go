// Package indent shows JSON to people.
package indent

import (
	"bytes"
	"encoding/json"
)

// deepest is how deep JSON may be nested to be indented: each level adds two spaces to every line, so that a few
// kilobytes of brackets would grow to hundreds of megabytes.
const deepest = 20

// JSON returns a document with its parts on lines of their own; ok is false for what is no JSON, or nested too deep for that.
func JSON(document []byte) (text string, ok bool) {
	var indented bytes.Buffer
	if depth(document) > deepest || json.Indent(&indented, document, "", "  ") != nil {
		return "", false
	}
	return indented.String(), true
}

// depth is how deep JSON is nested, or a little more: brackets within strings count.
func depth(document []byte) (most int) {
	level := 0
	for _, b := range document {
		switch b {
		case '[', '{':
			level++
			most = max(most, level)
		case ']', '}':
			level--
		}
	}
	return most
}
