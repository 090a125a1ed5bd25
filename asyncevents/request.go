package asyncevents

import (
	"errors"
	"io"
	"net/http"
	"strings"
)

// readBody returns the whole body, in memory that is not much larger, or says why it is not taken.
func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, *Problem) {
	if problem := checkHeaders(r.Header); problem != nil {
		return nil, problem
	}
	if r.ContentLength > limit {
		return nil, newTooLargeProblem(limit)
	}
	body, err := readAll(http.MaxBytesReader(w, r.Body, limit), r.ContentLength)
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

// readAll reads a body of that length, or of an unknown one when it is negative. The length was checked before, and yet
// memory grows with what has come: many clients that announce much and send nothing must not cost much.
func readAll(body io.Reader, length int64) ([]byte, error) {
	if length < 0 {
		return io.ReadAll(body)
	}
	read, n := make([]byte, min(length, firstRead)), 0
	for {
		more, err := io.ReadFull(body, read[n:])
		if n += more; err != nil || int64(n) == length {
			return read[:n], err
		}
		grown := make([]byte, min(length, 2*int64(n)))
		copy(grown, read)
		read = grown
	}
}

// checkHeaders refuses a body that does not say to be plain JSON.
func checkHeaders(header http.Header) *Problem {
	types := header.Values("Content-Type")
	if len(types) != 1 || !isJSON(types[0]) {
		return newMediaTypeProblem("Content-Type must be application/json")
	}
	for _, encoding := range header.Values("Content-Encoding") {
		if encoding != "" && !strings.EqualFold(encoding, "identity") {
			return newMediaTypeProblem("A Content-Encoding is not accepted")
		}
	}
	return nil
}

// isJSON is whether a content type is application/json, whatever its parameters.
func isJSON(contentType string) bool {
	mediaType, _, _ := strings.Cut(contentType, ";")
	return strings.EqualFold(strings.TrimSpace(mediaType), "application/json")
}
