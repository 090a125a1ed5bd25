package asyncevents

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

// eventsPath is where the handler expects to be mounted, below whatever prefix the host strips.
const eventsPath = "/v1/async/events"

// intake is what the handler stands on; Service is one.
type intake interface {
	// Accept takes an event durably, or returns a *Problem, or any other error when it cannot now.
	Accept(ctx context.Context, s Submission) (Accepted, error)
	// AcceptAll takes the events of a batch, durably together.
	AcceptAll(ctx context.Context, submissions []Submission) ([]Result, error)
	// Status returns what is known of an event, or ErrNotFound.
	Status(ctx context.Context, correlationID string) (Record, error)
	// Await is Status, held until the event goes no further by itself or the time is over.
	Await(ctx context.Context, correlationID string, within time.Duration) (Record, error)
}

// handlerConfig configures a handler.
type handlerConfig struct {
	// maxBody is the size of a body at most, in bytes.
	maxBody int64
	// maxBatch is the same of a batch.
	maxBatch int64
	// cloudEvents takes CloudEvents as well.
	cloudEvents bool
	// referenceStatusCodes answers 200 instead of 202 and 400 instead of 404.
	referenceStatusCodes bool
	// authenticate refuses a request with an error; nil lets everybody pass.
	authenticate Authenticator
	// rates and depth refuse events with 429; nil lets all pass.
	rates *rateLimiter
	depth *queueLimiter
	// logger gets what is not told to the client; nil means slog.Default().
	logger *slog.Logger
}

// handler answers the requests of clients.
type handler struct {
	intake     intake
	config     handlerConfig
	complaints *complaints
}

// newHandler returns the handler of everything at and below eventsPath.
func newHandler(in intake, cfg handlerConfig) http.Handler {
	if cfg.logger == nil {
		cfg.logger = slog.Default()
	}
	return &handler{intake: in, config: cfg, complaints: &complaints{logger: cfg.logger}}
}

// ServeHTTP finds the route; what is not one is a 404, and a wrong method a 405.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rest, ok := strings.CutPrefix(r.URL.Path, eventsPath)
	id, below := strings.CutPrefix(rest, "/")
	switch {
	case ok && rest == "":
		h.serveEvents(w, r)
	case ok && id == batchName && below:
		h.serveBatch(w, r)
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
	client, ok := h.admitted(w, r, 1)
	if !ok {
		return
	}
	submission, problem := h.readEvent(w, r)
	if problem != nil {
		h.refuse(w, r, problem)
		return
	}
	submission.Client = client
	accepted, err := h.intake.Accept(r.Context(), submission)
	if err != nil {
		h.refuse(w, r, h.problemOf(r, "accept event", err))
		return
	}
	h.answerAccepted(w, r, accepted)
}

// readEvent reads the event of a request.
func (h *handler) readEvent(w http.ResponseWriter, r *http.Request) (s Submission, problem *Problem) {
	if s.IdempotencyKey, problem = idempotencyKeyOf(r.Header); problem != nil {
		return s, problem
	}
	mediaTypes := []string{mediaJSON}
	if h.config.cloudEvents {
		mediaTypes = []string{mediaJSON, mediaCloudEvent}
		if s.ContentType = r.Header.Get("Content-Type"); isBinaryRequest(r.Header) {
			mediaTypes = nil // it is that of the data
			if s.Attributes, problem = attributesOf(r.Header); problem != nil {
				return s, problem
			}
		}
	}
	s.Body, problem = readBody(w, r, h.config.maxBody, mediaTypes...)
	return s, problem
}

func (h *handler) serveEvent(w http.ResponseWriter, r *http.Request, id string) {
	if !h.readOnly(w, r) {
		return
	}
	if _, ok := h.authenticated(w, r); !ok {
		return
	}
	wait, problem := waitOf(r.URL.Query())
	if problem != nil {
		h.refuse(w, r, problem)
		return
	}
	record, err := h.find(r.Context(), id, wait)
	switch {
	case errors.Is(err, ErrNotFound):
		h.refuse(w, r, newNotFoundProblem())
		return
	case err != nil:
		h.refuse(w, r, h.problemOf(r, "find event "+id, err))
		return
	}
	encoded, err := json.Marshal(newStatusAnswer(record))
	if err != nil {
		h.refuse(w, r, h.problemOf(r, "encode event "+id, err))
		return
	}
	answer := append([]byte(`{"status":"success","metadata":[],"payload":`), encoded...)
	write(w, r, http.StatusOK, "application/json", append(answer, '}'))
}

func (h *handler) find(ctx context.Context, id string, wait time.Duration) (Record, error) {
	if wait == 0 {
		return h.intake.Status(ctx, id)
	}
	return h.intake.Await(ctx, id, wait)
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
func (h *handler) authenticated(w http.ResponseWriter, r *http.Request) (client string, ok bool) {
	if h.config.authenticate == nil {
		return "", true
	}
	client, err := h.config.authenticate(r)
	if err != nil {
		h.refuse(w, r, newUnauthorizedProblem())
	}
	return client, err == nil
}

// admitted refuses whom the authenticator does not let pass, and events beyond a limit, before anything is read of them.
func (h *handler) admitted(w http.ResponseWriter, r *http.Request, events int) (client string, ok bool) {
	client, ok = h.authenticated(w, r)
	if !ok {
		return "", false
	}
	problem, err := h.config.depth.look(r.Context())
	if err != nil {
		h.complaints.log(r.Context(), "asyncevents: the limit of events that wait stands as it was", err)
	}
	if problem == nil {
		problem = h.config.rates.take(r, client, events)
	}
	if problem != nil {
		h.refuse(w, r, problem)
	}
	return client, problem == nil
}

// problemOf is what to tell the client about an error. What the client need not know is logged here, once.
func (h *handler) problemOf(r *http.Request, operation string, err error) *Problem {
	var problem *Problem
	if errors.As(err, &problem) && problem != nil {
		return problem
	}
	h.complaints.log(r.Context(), "asyncevents: cannot "+operation, err)
	return newUnavailableProblem(someSeconds())
}
