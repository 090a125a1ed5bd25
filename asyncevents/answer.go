package asyncevents

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/redrive-go/redrive/internal/jsonappend"
)

// answerAccepted writes the answer by hand: it is on the way of every event.
func (h *handler) answerAccepted(w http.ResponseWriter, r *http.Request, accepted Accepted) {
	header := w.Header()
	header.Set("Location", locationOf(r, accepted.CorrelationID))
	if accepted.Replayed {
		header.Set("Idempotent-Replayed", "true")
	}
	answer := make([]byte, 0, 256)
	answer = append(answer, `{"status":"success","metadata":{},"payload":`...)
	write(w, r, h.acceptedStatus(), "application/json", append(appendAccepted(answer, accepted), '}'))
}

func (h *handler) acceptedStatus() int {
	if h.config.referenceStatusCodes {
		return http.StatusOK
	}
	return http.StatusAccepted
}

func appendAccepted(answer []byte, accepted Accepted) []byte {
	answer = append(answer, `{"correlation_id":`...)
	answer = jsonappend.String(answer, accepted.CorrelationID)
	answer = append(answer, `,"status":`...)
	return append(jsonappend.String(answer, string(accepted.Status)), '}')
}

func appendProblem(answer []byte, problem Problem) []byte {
	answer = append(answer, `{"type":`...)
	answer = jsonappend.String(answer, problem.Type)
	answer = append(answer, `,"code":`...)
	answer = strconv.AppendInt(answer, int64(problem.Code), 10)
	answer = append(answer, `,"message":`...)
	return append(jsonappend.String(answer, problem.Message), '}')
}

// refuse answers with a problem.
func (h *handler) refuse(w http.ResponseWriter, r *http.Request, problem *Problem) {
	filled := problem.withDefaults()
	status := filled.HTTPStatus
	if h.config.referenceStatusCodes && status == http.StatusNotFound {
		status = http.StatusBadRequest
	}
	if seconds := filled.retryAfterSeconds(); seconds != "" {
		w.Header().Set("Retry-After", seconds)
	}
	switch status {
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", "Bearer")
	case http.StatusRequestEntityTooLarge:
		// Nobody reads the rest of the body, so nothing can follow on this connection.
		w.Header().Set("Connection", "close")
	}
	answer := append(make([]byte, 0, 256), `{"status":"error","error":`...)
	write(w, r, status, "application/json", append(appendProblem(answer, filled), '}'))
}

// locationOf returns the path of an event as the client has to ask for it. The prefix that the host stripped is gone from
// r.URL and stands in the request line alone.
func locationOf(r *http.Request, id string) string {
	path := eventsPath
	if r.RequestURI != eventsPath {
		uri, err := url.ParseRequestURI(r.RequestURI)
		if err == nil && strings.HasPrefix(uri.Path, "/") && strings.Trim(uri.Path, "/") != "" {
			path = uri.EscapedPath()
		}
	}
	// Two slashes in front would make the first segment a host.
	return "/" + strings.Trim(path, "/") + "/" + url.PathEscape(id)
}

// write sends an answer; a HEAD request gets its header alone.
func write(w http.ResponseWriter, r *http.Request, status int, contentType string, answer []byte) {
	header := w.Header()
	header.Set("Content-Type", contentType)
	header.Set("Content-Length", strconv.Itoa(len(answer)))
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		// A client that hung up is not ours to report; net/http sees it too.
		_, _ = w.Write(answer) //nolint:gosec // never HTML: its type is set, and nosniff
	}
}
