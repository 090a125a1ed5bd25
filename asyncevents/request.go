package asyncevents

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
)

// readBody returns the whole body, in memory that is not much larger, or says why it is not taken. Without media types, any will do.
func readBody(w http.ResponseWriter, r *http.Request, limit int64, mediaTypes ...string) ([]byte, *Problem) {
	if problem := checkHeaders(r.Header, mediaTypes); problem != nil {
		return nil, problem
	}
	if r.ContentLength > limit {
		return nil, newTooLargeProblem(limit)
	}
	body, err := readAll(http.MaxBytesReader(w, r.Body, limit), r.ContentLength, limit)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, newTooLargeProblem(limit)
	case err != nil:
		return nil, newMalformedProblem("The body could not be read to its end")
	}
	return body, nil
}

// firstRead is how much memory a body gets before any of it has come.
const firstRead = 16 << 10

// readAll reads a body of that length, or of an unknown one when it is negative, of which body itself gives out limit bytes at most. The
// length was checked before, and yet memory grows with what has come: many clients that announce much and send nothing must not cost
// much. Nor does what is read ever have more room than the limit, as with io.ReadAll.
func readAll(body io.Reader, length, limit int64) ([]byte, error) {
	most := length
	if length < 0 {
		most = limit + 1 // so that there is always room to meet the end
	}
	read, n := make([]byte, min(most, firstRead)), 0
	for int64(n) != length {
		if n == len(read) {
			grown := make([]byte, min(most, 2*int64(n)))
			copy(grown, read)
			read = grown
		}
		more, err := body.Read(read[n:])
		n += more
		switch {
		case errors.Is(err, io.EOF) && length < 0:
			return bytes.Clone(read[:n]), nil // what is kept is not much larger
		case errors.Is(err, io.EOF) && int64(n) < length:
			return read[:n], io.ErrUnexpectedEOF
		case err != nil && !errors.Is(err, io.EOF):
			return read[:n], err
		}
	}
	return read, nil
}

// Media types of bodies.
const (
	mediaJSON   = "application/json"
	mediaNDJSON = "application/x-ndjson"
)

// checkHeaders refuses a body that does not say to be plain and of one of the media types.
func checkHeaders(header http.Header, mediaTypes []string) *Problem {
	if len(mediaTypes) > 0 && !slices.Contains(mediaTypes, mediaTypeOf(header)) {
		return newMediaTypeProblem("Content-Type must be " + strings.Join(mediaTypes, " or "))
	}
	for _, encoding := range header.Values("Content-Encoding") {
		if encoding != "" && !strings.EqualFold(encoding, "identity") {
			return newMediaTypeProblem("A Content-Encoding is not accepted")
		}
	}
	return nil
}

// mediaTypeOf returns the request's only media type in small letters, whatever its parameters; "" for none.
func mediaTypeOf(header http.Header) string {
	types := header.Values("Content-Type")
	if len(types) != 1 {
		return ""
	}
	return mediaType(types[0])
}

// mediaType returns a media type in small letters, without its parameters.
func mediaType(contentType string) string {
	name, _, _ := strings.Cut(contentType, ";")
	return strings.ToLower(strings.TrimSpace(name))
}
