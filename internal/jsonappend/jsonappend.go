// Package jsonappend writes JSON member by member, for what is written so often that reflection shows in a profile.
package jsonappend

import (
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// String appends text as a JSON string. Invalid UTF-8 becomes U+FFFD.
func String(dst []byte, text string) []byte {
	dst, err := jsontext.AppendQuote(dst, text)
	if err != nil {
		// It complains of invalid UTF-8 only, and has replaced it already.
		return dst
	}
	return dst
}

// Name appends the name of an object's next member, with a comma before it unless it is the first. The name is one that needs no
// escaping.
func Name(dst []byte, name string) []byte {
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	dst = append(dst, '"')
	return append(append(dst, name...), `":`...)
}

// Text appends a member that is a string.
func Text(dst []byte, name, value string) []byte { return String(Name(dst, name), value) }

// Int appends a member that is a number.
func Int(dst []byte, name string, value int64) []byte {
	return strconv.AppendInt(Name(dst, name), value, 10)
}

// Bool appends a member that is true or false.
func Bool(dst []byte, name string, value bool) []byte {
	return strconv.AppendBool(Name(dst, name), value)
}

// Time appends a member that is a time, RFC 3339 with nanoseconds. It fails for a year of more than four digits.
func Time(dst []byte, name string, value time.Time) ([]byte, error) {
	dst, err := value.AppendText(append(Name(dst, name), '"'))
	return append(dst, '"'), err
}
