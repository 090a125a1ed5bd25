package asyncevents

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// eventsPath is where the handler expects to be mounted, below whatever prefix the host strips.
const eventsPath = "/v1/async/events"

// intake is what the handler stands on; Service is one.
type intake interface {
	// Accept takes an event durably, or returns a *Problem, or any other error when it cannot now.
	Accept(ctx context.Context, s Submission) (Accepted, error)
	// Status returns what is known of an event, or ErrNotFound.
	Status(ctx context.Context, correlationID string) (Record, error)
}

// handlerConfig configures a handler.
type handlerConfig struct {
	// maxBody is the size of a body at most, in bytes.
	maxBody int64
	// referenceStatusCodes answers 200 instead of 202 and 400 instead of 404.
	referenceStatusCodes bool
	// authenticate refuses a request with an error; nil lets everybody pass.
	authenticate func(*http.Request) error
	// logger gets what is not told to the client; nil means slog.Default().
	logger *slog.Logger
}

// handler answers the requests of clients.
type handler struct {
	intake intake
	config handlerConfig
}

// newHandler returns the handler of everything at and below eventsPath.
func newHandler(in intake, cfg handlerConfig) http.Handler {
	if cfg.logger == nil {
		cfg.logger = slog.Default()
	}
	return &handler{intake: in, config: cfg}
}

// ServeHTTP finds the route; what is not one is a 404, and a wrong method a 405.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rest, ok := strings.CutPrefix(r.URL.Path, eventsPath)
	id, below := strings.CutPrefix(rest, "/")
	switch {
	case ok && rest == "":
		h.serveEvents(w, r)
	case ok && id == openAPIName && below:
		h.serveOpenAPI(w, r)
	case ok && isCorrelationID(id) && below:
		h.serveEvent(w, r, id)
	default:
		h.refuse(w, r, newNotFoundProblem())
	}
}

func (h *handler) serveEvents(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		h.refuseMethod(w, r, http.MethodPost)
		return
	}
	if !h.authenticated(w, r) {
		return
	}
	body, problem := readBody(w, r, h.config.maxBody)
	if problem != nil {
		h.refuse(w, r, problem)
		return
	}
	accepted, err := h.intake.Accept(r.Context(), Submission{Body: body})
	if err != nil {
		h.refuse(w, r, h.problemOf(r, "accept event", err))
		return
	}
	h.answerAccepted(w, r, accepted)
}

func (h *handler) serveEvent(w http.ResponseWriter, r *http.Request, id string) {
	if !h.readOnly(w, r) || !h.authenticated(w, r) {
		return
	}
	record, err := h.intake.Status(r.Context(), id)
	if err != nil {
		h.refuse(w, r, h.problemOf(r, "find event "+id, err))
		return
	}
	payload := newStatusPayload(record)
	payload.Callback = newCallbackPayload(record.Callback)
	encoded, err := json.Marshal(payload)
	if err != nil {
		h.refuse(w, r, h.problemOf(r, "encode event "+id, err))
		return
	}
	answer := append([]byte(`{"status":"success","metadata":[],"payload":`), encoded...)
	write(w, r, http.StatusOK, "application/json", append(answer, '}'))
}

// serveOpenAPI asks for no authentication: the description is as public as the library.
func (h *handler) serveOpenAPI(w http.ResponseWriter, r *http.Request) {
	if h.readOnly(w, r) {
		write(w, r, http.StatusOK, "application/yaml", openAPI)
	}
}

// readOnly refuses every method but GET and HEAD.
func (h *handler) readOnly(w http.ResponseWriter, r *http.Request) bool {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return true
	}
	h.refuseMethod(w, r, "GET, HEAD")
	return false
}

func (h *handler) refuseMethod(w http.ResponseWriter, r *http.Request, allow string) {
	w.Header().Set("Allow", allow)
	h.refuse(w, r, newMethodProblem(allow))
}

// authenticated refuses a request that the host's authenticator does not let pass. Why not stays with the host.
func (h *handler) authenticated(w http.ResponseWriter, r *http.Request) bool {
	if h.config.authenticate == nil || h.config.authenticate(r) == nil {
		return true
	}
	w.Header().Set("WWW-Authenticate", "Bearer")
	h.refuse(w, r, newUnauthorizedProblem())
	return false
}

// answerAccepted writes the answer by hand: it is on the way of every event.
func (h *handler) answerAccepted(w http.ResponseWriter, r *http.Request, accepted Accepted) {
	header := w.Header()
	header.Set("Location", locationOf(r, accepted.CorrelationID))
	if accepted.Replayed {
		header.Set("Idempotent-Replayed", "true")
	}
	status := http.StatusAccepted
	if h.config.referenceStatusCodes {
		status = http.StatusOK
	}
	answer := make([]byte, 0, 256)
	answer = append(answer, `{"status":"success","metadata":{},"payload":{"correlation_id":`...)
	answer = appendQuoted(answer, accepted.CorrelationID)
	answer = append(answer, `,"status":`...)
	answer = appendQuoted(answer, string(accepted.Status))
	write(w, r, status, "application/json", append(answer, "}}"...))
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
	if status == http.StatusRequestEntityTooLarge {
		// Nobody reads the rest of the body, so nothing can follow on this connection.
		w.Header().Set("Connection", "close")
	}
	answer := append(make([]byte, 0, 256), `{"status":"error","error":{"type":`...)
	answer = appendQuoted(answer, filled.Type)
	answer = append(answer, `,"code":`...)
	answer = strconv.AppendInt(answer, int64(filled.Code), 10)
	answer = append(answer, `,"message":`...)
	answer = appendQuoted(answer, filled.Message)
	write(w, r, status, "application/json", append(answer, "}}"...))
}

// problemOf is what to tell the client about an error. What the client need not know is logged here, once.
func (h *handler) problemOf(r *http.Request, operation string, err error) *Problem {
	var problem *Problem
	switch {
	case errors.As(err, &problem) && problem != nil:
		return problem
	case errors.Is(err, ErrNotFound):
		return newNotFoundProblem()
	}
	h.config.logger.ErrorContext(r.Context(), "asyncevents: cannot "+operation, slog.Any("error", err))
	// Spread, so that the clients of an outage do not all come back in the same second.
	return newUnavailableProblem(time.Duration(1+rand.IntN(5)) * time.Second) //nolint:gosec // spreads load, guards nothing
}

// appendQuoted appends text as a JSON string. Invalid UTF-8 becomes U+FFFD.
func appendQuoted(dst []byte, text string) []byte {
	dst, err := jsontext.AppendQuote(dst, text)
	if err != nil {
		// It complains of invalid UTF-8 only, and has replaced it already.
		return dst
	}
	return dst
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
		_, _ = w.Write(answer)
	}
}

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

// locationOf returns the path of an event as the client has to ask for it. The prefix that the host stripped is gone from
// r.URL and stands in the request line alone.
func locationOf(r *http.Request, id string) string {
	path := eventsPath
	if r.RequestURI != eventsPath {
		if uri, err := url.ParseRequestURI(r.RequestURI); err == nil && strings.HasPrefix(uri.Path, "/") {
			path = uri.EscapedPath()
		}
	}
	// Two slashes in front would make the first segment a host.
	return "/" + strings.Trim(path, "/") + "/" + url.PathEscape(id)
}
