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

// readAll reads a body of that length, or of an unknown one when it is negative. The length was checked before.
func readAll(body io.Reader, length int64) ([]byte, error) {
	if length < 0 {
		return io.ReadAll(body)
	}
	exact := make([]byte, length)
	_, err := io.ReadFull(body, exact)
	return exact, err
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
