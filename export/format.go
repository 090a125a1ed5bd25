package export

import "errors"

// The formats of files. They are the endings of their names as well.
const (
	// FormatJSON is one JSON object, which Write writes.
	FormatJSON = "json"
	// FormatNDJSON is one entry a line, which WriteNDJSON writes.
	FormatNDJSON = "ndjson"
)

// ErrBadFormat is returned by Start for a format that is none of Formats.
var ErrBadFormat = errors.New("unknown format")

// contentTypes are the media types of the formats.
var contentTypes = map[string]string{FormatJSON: "application/json", FormatNDJSON: "application/x-ndjson"}

// Formats returns the formats that there are.
func Formats() []string { return []string{FormatJSON, FormatNDJSON} }

// ContentType returns the media type of a file of the given format, "application/octet-stream" for an unknown one.
func ContentType(format string) string {
	if known, ok := contentTypes[format]; ok {
		return known
	}
	return "application/octet-stream"
}
