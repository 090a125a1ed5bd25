package asyncevents

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
)

// MaxBatch is how many events AcceptAll, and a POST of a batch, take at most.
const MaxBatch = 1000

// batchName is where batches are posted, below eventsPath.
const batchName = "batch"

// Result is what became of one event of a batch.
type Result struct {
	// Accepted is set when the event was taken.
	Accepted
	// Problem is why it was refused; nil when it was taken.
	Problem *Problem
}

// AcceptAll takes up to MaxBatch events, as a POST of a batch does: those that are not refused are durable together, or with an error
// none of them is. The results are in the order of the submissions. Two of them that are the same event are accepted once.
func (s *Service) AcceptAll(ctx context.Context, submissions []Submission) ([]Result, error) {
	if len(submissions) == 0 || len(submissions) > MaxBatch {
		return nil, newBatchSizeProblem(len(submissions))
	}
	results := make([]Result, len(submissions))
	acceptances, places := make([]Acceptance, 0, len(submissions)), make([]int, 0, len(submissions))
	for i, submission := range submissions {
		acceptance, err := s.acceptance(ctx, submission)
		switch {
		case err == nil:
			acceptances, places = append(acceptances, acceptance), append(places, i)
		case !errors.As(err, &results[i].Problem):
			return nil, err
		}
	}
	receipts, err := s.storeAll(ctx, acceptances)
	if err != nil {
		return nil, fmt.Errorf("asyncevents: accept %d events: %w", len(acceptances), err)
	}
	for n, receipt := range receipts {
		result := &results[places[n]]
		accepted, err := acceptances[n].conclude(receipt)
		result.Accepted = accepted
		if err != nil && !errors.As(err, &result.Problem) {
			return nil, err
		}
	}
	s.telemetry.acceptedAll(ctx, results)
	return results, nil
}

func (s *Service) storeAll(ctx context.Context, acceptances []Acceptance) ([]Receipt, error) {
	if len(acceptances) == 0 {
		return nil, nil
	}
	return s.backend.Events.AcceptAll(ctx, acceptances)
}

func newBatchSizeProblem(n int) *Problem {
	if n == 0 {
		return newMalformedProblem("The batch is empty")
	}
	return &Problem{HTTPStatus: http.StatusRequestEntityTooLarge, Type: "PayloadTooLargeException", Code: CodeTooLarge,
		Message: fmt.Sprintf("The batch has more than %d events", MaxBatch)}
}

func (h *handler) serveBatch(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		h.refuseMethod(w, r, http.MethodPost)
		return
	}
	client, ok := h.admitted(w, r, 0)
	if !ok {
		return
	}
	submissions, problem := h.readBatch(w, r, client)
	if problem == nil {
		problem = h.config.rates.take(r, client, len(submissions))
	}
	if problem != nil {
		h.refuse(w, r, problem)
		return
	}
	results, err := h.intake.AcceptAll(r.Context(), submissions)
	if err != nil {
		h.refuse(w, r, h.problemOf(r, "accept a batch", err))
		return
	}
	h.answerBatch(w, r, results)
}

// readBatch reads the events of a batch. With a key of its own, each of them has one that follows from that and its place.
func (h *handler) readBatch(w http.ResponseWriter, r *http.Request, client string) ([]Submission, *Problem) {
	key, problem := idempotencyKeyOf(r.Header)
	if problem != nil {
		return nil, problem
	}
	mediaTypes := []string{mediaJSON, mediaNDJSON}
	if h.config.cloudEvents {
		mediaTypes = append(mediaTypes, mediaCloudEventBatch)
	}
	body, problem := readBody(w, r, h.config.maxBatch, mediaTypes...)
	if problem != nil {
		return nil, problem
	}
	split, each := splitArray, ""
	switch mediaTypeOf(r.Header) {
	case mediaNDJSON:
		split = splitLines
	case mediaCloudEventBatch:
		each = mediaCloudEvent
	}
	bodies, problem := split(body)
	if problem != nil {
		return nil, problem
	}
	submissions := make([]Submission, len(bodies))
	for i := range bodies {
		submissions[i] = Submission{Body: bodies[i], ContentType: each, Client: client}
		if key != "" {
			submissions[i].IdempotencyKey = key + "\n" + strconv.Itoa(i) // no key of a client's holds a line break
		}
	}
	return submissions, nil
}

// splitLines returns the lines of NDJSON that are not blank.
func splitLines(body []byte) (lines [][]byte, problem *Problem) {
	for line := range bytes.Lines(body) {
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if len(lines) == MaxBatch {
			return nil, newBatchSizeProblem(MaxBatch + 1)
		}
		lines = append(lines, line[:len(line):len(line)])
	}
	return lines, nil
}

// splitArray returns the values of a JSON array as they stand there.
func splitArray(body []byte) (values [][]byte, problem *Problem) {
	p := parsers.Get().(*parser)
	defer p.release()
	p.reset(body)
	p.deepest++ // the array is not part of the events
	if p.decoder.PeekKind() != '[' {
		return nil, newMalformedProblem("The body is not a JSON array")
	}
	_, err := p.decoder.ReadToken()
	for err == nil && p.decoder.PeekKind() != ']' {
		if len(values) == MaxBatch {
			return nil, newBatchSizeProblem(MaxBatch + 1)
		}
		var value []byte
		value, err = p.readValue()
		values = append(values, value[:len(value):len(value)])
	}
	if err == nil {
		err = p.readEnd()
	}
	if err != nil {
		return nil, newMalformedProblem(describeFault(err, "JSON array"))
	}
	return values, nil
}

func (h *handler) answerBatch(w http.ResponseWriter, r *http.Request, results []Result) {
	answer := make([]byte, 0, 64+96*len(results))
	answer = append(answer, `{"status":"success","metadata":{},"payload":{"results":[`...)
	for i := range results {
		if i > 0 {
			answer = append(answer, ',')
		}
		if problem := results[i].Problem; problem != nil {
			answer = append(appendProblem(append(answer, `{"error":`...), problem.withDefaults()), '}')
		} else {
			answer = appendAccepted(answer, results[i].Accepted)
		}
	}
	write(w, r, h.acceptedStatus(), "application/json", append(answer, "]}}"...))
}
