package asyncevents

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// Headers of CloudEvents in binary content mode begin with this, in their canonical form.
const headerAttribute = "Ce-"

// maxAttributes is the size of all attributes of a CloudEvent in binary content mode, in bytes: they travel beside the message.
const maxAttributes = 16 << 10

// isBinaryRequest is whether a request says to be a CloudEvent in binary content mode. One attribute that every CloudEvent has is
// enough: half a CloudEvent is refused rather than taken for something else.
func isBinaryRequest(header http.Header) bool {
	for _, name := range []string{attributeVersion, attributeID, attributeSource, attributeType} {
		if header.Get(headerAttribute+name) != "" {
			return !strings.HasPrefix(mediaTypeOf(header), mediaCloudEvents)
		}
	}
	return false
}

// attributesOf reads the attributes of a CloudEvent in binary content mode.
func attributesOf(header http.Header) (map[string]string, *Problem) {
	attributes, size := map[string]string{}, len(header.Get("Content-Type"))
	for key, values := range header {
		name, is := strings.CutPrefix(key, headerAttribute)
		if !is {
			continue
		}
		name = strings.ToLower(name)
		if len(values) != 1 || name == attributeDataType {
			return nil, newInvalidPropertyProblem("Each attribute of a CloudEvent must be one header, and datacontenttype the Content-Type")
		}
		if size += len(name) + len(values[0]); size > maxAttributes {
			return nil, newInvalidPropertyProblem(fmt.Sprintf("The attributes of the CloudEvent are larger than %d bytes", maxAttributes))
		}
		attributes[name] = attributeOf(values[0])
	}
	if len(header.Values("Content-Type")) > 1 {
		return nil, newMediaTypeProblem("There must be one Content-Type")
	}
	return attributes, nil
}

// attributeOf is the value of an attribute that stands in a header: unquoted once, then with its percent signs decoded once. Where
// they are not those of an encoding, they stand for themselves: there are senders that do not encode.
func attributeOf(value string) string {
	if len(value) >= 2 && value[0] == '"' && value[len(value)-1] == '"' {
		value = unquoted(value[1 : len(value)-1])
	}
	if decoded, err := url.PathUnescape(value); err == nil {
		return decoded
	}
	return value
}

// unquoted is the content of a quoted string of RFC 7230, section 3.2.6.
func unquoted(content string) string {
	var plain strings.Builder
	for i := 0; i < len(content); i++ {
		if content[i] == '\\' && i+1 < len(content) {
			i++
		}
		_ = plain.WriteByte(content[i])
	}
	return plain.String()
}
