package dlq

import (
	"bytes"
	"encoding/base64"
	"unicode/utf8"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// maxNesting is how deep a payload may be nested that stands in an entry as it is. Many readers of JSON, Go's among them,
// go 10,000 deep, and what the entry itself stands in counts too.
const maxNesting = 9_990

// appendPayload appends a payload as a member of an entry: as it is where it is JSON, in base64 where it is not.
func appendPayload(dst, payload []byte) []byte {
	if isEmbeddable(payload) {
		return append(append(dst, `,"payload":`...), payload...)
	}
	return appendBase64(dst, payload)
}

// appendFlatPayload is appendPayload without a line break. Within JSON these are nothing but white space.
func appendFlatPayload(dst, payload []byte) []byte {
	at := len(dst)
	dst = appendPayload(dst, payload)
	if bytes.IndexByte(dst[at:], '\n') < 0 && bytes.IndexByte(dst[at:], '\r') < 0 {
		return dst
	}
	for i, c := range dst[at:] {
		if c == '\n' || c == '\r' {
			dst[at+i] = ' '
		}
	}
	return appendBase64(dst, payload)
}

func appendBase64(dst, payload []byte) []byte {
	dst = append(dst, `,"payload_base64":"`...)
	return append(base64.StdEncoding.AppendEncode(dst, payload), '"')
}

// asUsual has jsontext, which is quicker, take what encoding/json takes.
var asUsual = jsonv2.JoinOptions(jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))

// isEmbeddable is whether a payload may stand in JSON as it is.
func isEmbeddable(payload []byte) bool {
	return jsontext.Value(payload).IsValid(asUsual) && utf8.Valid(payload) && !isTooDeep(payload)
}

// isTooDeep is whether a payload, which is JSON, is nested deeper than maxNesting. Hardly any has so many brackets.
func isTooDeep(payload []byte) bool {
	if bytes.Count(payload, []byte{'['})+bytes.Count(payload, []byte{'{'}) <= maxNesting {
		return false
	}
	depth, deepest, quoted := 0, 0, false
	for i := 0; i < len(payload); i++ {
		switch c := payload[i]; {
		case quoted && c == '\\':
			i++ // what follows is escaped
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[', c == '{':
			depth++
			deepest = max(deepest, depth)
		case c == ']', c == '}':
			depth--
		}
	}
	return deepest > maxNesting
}
