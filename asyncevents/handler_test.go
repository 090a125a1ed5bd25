package asyncevents

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fakeIntake takes what parseBody takes and remembers it.
type fakeIntake struct {
	mu       sync.Mutex
	bodies   [][]byte
	events   []Event
	accepted Accepted
	record   Record
	waited   time.Duration
	err      error
}

func (f *fakeIntake) Accept(_ context.Context, s Submission) (Accepted, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return Accepted{}, f.err
	}
	event, problem := parseEvent(s.Body, s.metadata())
	if problem != nil {
		return Accepted{}, problem
	}
	f.bodies, f.events = append(f.bodies, s.Body), append(f.events, event)
	return f.accepted, nil
}

func (f *fakeIntake) AcceptAll(ctx context.Context, submissions []Submission) ([]Result, error) {
	if len(submissions) == 0 {
		return nil, newBatchSizeProblem(0)
	}
	results := make([]Result, len(submissions))
	for i, s := range submissions {
		accepted, err := f.Accept(ctx, s)
		if results[i].Accepted = accepted; err != nil && !errors.As(err, &results[i].Problem) {
			return nil, err
		}
	}
	return results, nil
}

func (f *fakeIntake) Status(_ context.Context, correlationID string) (Record, error) {
	if f.err != nil {
		return Record{}, f.err
	}
	if correlationID != f.record.CorrelationID {
		return Record{}, fmt.Errorf("asyncevents: find %q: %w", correlationID, ErrNotFound)
	}
	return f.record, nil
}

func (f *fakeIntake) Await(ctx context.Context, correlationID string, within time.Duration) (Record, error) {
	f.waited = within
	return f.Status(ctx, correlationID)
}

// desk is a handler on a fakeIntake, held against its description, and what it logged.
type desk struct {
	intake *fakeIntake
	log    bytes.Buffer
	http.Handler
}

func newDesk(t testing.TB, configure ...func(*handlerConfig)) *desk {
	d := &desk{intake: &fakeIntake{accepted: Accepted{CorrelationID: "id-1", Status: StatusQueued}}}
	d.intake.record = Record{
		CorrelationID: "id-1", Status: StatusQueued, CreatedAt: time.Unix(1, 0), UpdatedAt: time.Unix(2, 0),
	}
	config := handlerConfig{maxBody: 1024, maxBatch: 4096, logger: slog.New(slog.NewTextHandler(&d.log, nil))}
	for _, set := range configure {
		set(&config)
	}
	d.Handler = described{t, newHandler(d.intake, config)}
	return d
}

// do sends a request; headers are name and value in turn.
func (d *desk) do(method, target string, body io.Reader, headers ...string) *httptest.ResponseRecorder {
	return d.serve(d.request(method, target, body, headers...))
}

func (d *desk) request(method, target string, body io.Reader, headers ...string) *http.Request {
	r := httptest.NewRequest(method, target, body)
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

func (d *desk) serve(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	return w
}

func (d *desk) post(body string, headers ...string) *httptest.ResponseRecorder {
	return d.do(http.MethodPost, eventsPath, strings.NewReader(body), headers...)
}

// requireProblem asserts the whole form of a refusal.
func requireProblem(t *testing.T, w *httptest.ResponseRecorder, status, code int, kind, message string) {
	t.Helper()
	want, err := json.Marshal(map[string]any{
		"status": "error", "error": map[string]any{"type": kind, "code": code, "message": message},
	})
	require.NoError(t, err)
	require.Equal(t, status, w.Code)
	require.JSONEq(t, string(want), w.Body.String())
	requireSafeHeaders(t, w)
}

func requireSafeHeaders(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	require.Equal(t, "application/json", w.Header().Get("Content-Type"))
	require.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
	require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
	require.Equal(t, strconv.Itoa(w.Body.Len()), w.Header().Get("Content-Length"))
}

func TestHandlerAccepts(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	const body = "{ \"customer\": \"c\",\n \"data\" : {} }"
	w := d.post(body, "Content-Type", `application/json; charset="utf-8"`)
	require.Equal(t, http.StatusAccepted, w.Code)
	assert.Equal(t, `{"status":"success","metadata":{},"payload":{"correlation_id":"id-1","status":"queued"}}`, w.Body.String())
	assert.Equal(t, "/v1/async/events/id-1", w.Header().Get("Location"))
	assert.NotContains(t, w.Header(), "Idempotent-Replayed")
	requireSafeHeaders(t, w)
	assert.Equal(t, body, string(d.intake.bodies[0]), "byte for byte")
}

func TestHandlerTellsReplays(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.intake.accepted = Accepted{CorrelationID: "id-1", Status: StatusProcessed, Replayed: true}
	w := d.post(`{}`)
	require.Equal(t, http.StatusAccepted, w.Code)
	assert.Equal(t, "true", w.Header().Get("Idempotent-Replayed"))
	assert.Contains(t, w.Body.String(), `"status":"processed"}}`)
}

func TestHandlerRefusesBodies(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"empty": "", "not JSON": "hello", "array": "[]", "trailing": "{}{}", "duplicate": `{"a":1,"a":1}`,
		"UTF-8": "{\"a\":\"\xff\"}", "depth 65": nested(65),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			_, problem := parseBody([]byte(body))
			w := d.post(body)
			requireProblem(t, w, 400, 203400, "BadRequestException", problem.Message)
			assert.Empty(t, d.intake.bodies)
			assert.Empty(t, d.log.String())
		})
	}
}

// Every problem is answered as it is, with the headers that belong to it.
func TestHandlerAnswersProblems(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		err          error
		status, code int
		kind         string
		message      string
		retryAfter   string
	}{
		{newEmptyPropertyProblem("customer"), 400, 203401, "BadRequestException", "Property 'customer' cannot be empty", ""},
		{newInvalidActionProblem("x\"<>"), 400, 203404, "BadRequestException", "Invalid action: x\"<>", ""},
		{newInvalidPropertyProblem("no"), 400, 203405, "BadRequestException", "no", ""},
		{newNotFoundProblem(), 404, 203408, "NotFoundException", "Correlation ID not found.", ""},
		{newConflictProblem(), 422, 203422, "UnprocessableEntityException",
			"This correlation id or idempotency key was used before with another body", ""},
		{newTooManyRequestsProblem(1500 * time.Millisecond), 429, 203429, "TooManyRequestsException",
			"Too many requests, try again later", "2"},
		{newUnavailableProblem(time.Millisecond), 503, 203503, "ServiceUnavailableException",
			"The service cannot do this now, try again later", "1"},
		{fmt.Errorf("validator: %w", &Problem{HTTPStatus: 403, Type: "T", Code: 7, Message: "m"}), 403, 7, "T", "m", ""},
		{&Problem{HTTPStatus: 200, Message: "bare"}, 400, 203400, "BadRequestException", "bare", ""},
	} {
		t.Run(strconv.Itoa(tc.code), func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			d.intake.err = tc.err
			w := d.post(`{}`)
			requireProblem(t, w, tc.status, tc.code, tc.kind, tc.message)
			assert.Equal(t, tc.retryAfter, w.Header().Get("Retry-After"))
			assert.NotContains(t, w.Header(), "Location")
			assert.Empty(t, d.log.String())
		})
	}
}

// What went wrong inside is for the log, once, and never for the client.
func TestHandlerHidesOtherErrors(t *testing.T) {
	t.Parallel()
	for _, method := range []string{http.MethodPost, http.MethodGet} {
		d := newDesk(t)
		d.intake.err = errors.New("dial 10.0.0.7: password=hunter2\nforged line")
		target := map[string]string{http.MethodPost: eventsPath, http.MethodGet: eventsPath + "/id-1"}[method]
		w := d.do(method, target, strings.NewReader(`{"customer":"payload"}`))
		requireProblem(t, w, 503, 203503, "ServiceUnavailableException", "The service cannot do this now, try again later")
		seconds, err := strconv.Atoi(w.Header().Get("Retry-After"))
		require.NoError(t, err)
		assert.True(t, seconds >= 1 && seconds <= 5, seconds)
		assert.Equal(t, 1, strings.Count(d.log.String(), "\n"))
		assert.Contains(t, d.log.String(), "10.0.0.7")
		assert.NotContains(t, d.log.String(), "payload")
	}
}

func TestHandlerAuthenticates(t *testing.T) {
	t.Parallel()
	d := newDesk(t, func(c *handlerConfig) { c.authenticate = BearerToken("s3cret") })
	for _, request := range [][2]string{{http.MethodPost, eventsPath}, {http.MethodGet, eventsPath + "/id-1"}} {
		w := d.do(request[0], request[1], strings.NewReader(`{}`), "Authorization", "Bearer wrong")
		requireProblem(t, w, 401, 220052, "UnauthorizedException", "Bearer token authentication failed")
		assert.Equal(t, "Bearer", w.Header().Get("WWW-Authenticate"))
		w = d.do(request[0], request[1], strings.NewReader(`{}`), "Authorization", "Bearer s3cret")
		assert.Less(t, w.Code, 300)
	}
	assert.Len(t, d.intake.bodies, 1)
	assert.Equal(t, http.StatusOK, d.do(http.MethodGet, eventsPath+"/openapi.yaml", nil).Code)
}

func TestHandlerRefusesIdempotencyKeys(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, key := range []string{"", "a\r\nb", "tab\t", "caf\u00e9", strings.Repeat("x", 256)} {
		requireProblem(t, d.post(`{}`, "Idempotency-Key", key), 400, 203405, "BadRequestException",
			"Idempotency-Key must be one header of 1 to 255 printable ASCII characters")
	}
	assert.Empty(t, d.intake.bodies)
	assert.Equal(t, http.StatusAccepted, d.post(`{}`, "Idempotency-Key", strings.Repeat("x", 255)).Code)
}

// A request that is refused anyway must not cost the reading of its body.
func TestHandlerAuthenticatesBeforeReading(t *testing.T) {
	t.Parallel()
	d := newDesk(t, func(c *handlerConfig) { c.authenticate = BearerToken() })
	body := &meteredReader{}
	assert.Equal(t, http.StatusUnauthorized, d.do(http.MethodPost, eventsPath, body).Code)
	assert.Zero(t, body.read)
}

func TestHandlerKnowsItsMethods(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for path, allow := range map[string]string{
		eventsPath: "POST", eventsPath + "/id-1": "GET, HEAD", eventsPath + "/openapi.yaml": "GET, HEAD",
	} {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"} {
			if strings.Contains(allow, method) {
				continue
			}
			w := d.do(method, path, nil)
			require.Equal(t, http.StatusMethodNotAllowed, w.Code, "%s %s", method, path)
			assert.Equal(t, allow, w.Header().Get("Allow"))
			if method != http.MethodHead {
				requireProblem(t, w, 405, 203406, "MethodNotAllowedException", "This path knows only "+allow)
			}
		}
	}
}

func TestHandlerRefusesUnknownPaths(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, target := range []string{
		"/v1/async/events/", "/v1/async/events/a/b", "/v1/async/events/id-1/", "/v1/async/eventsid-1", "/v1/async", "/",
		"/v1/async/events/%2e%2e%2fid-1", "/v1/async/events/a%0d%0aSet-Cookie:%20x", "/v1/async/events/%22",
		"/v1/async/events/" + strings.Repeat("x", 129), "/v1/async/events/other", "/v1/async/eventsopenapi.yaml",
	} {
		w := d.do(http.MethodGet, target, nil)
		requireProblem(t, w, 404, 203408, "NotFoundException", "Correlation ID not found.")
		assert.NotContains(t, w.Header(), "Set-Cookie")
	}
	assert.Empty(t, d.log.String())
}

func TestHandlerTellsTheStatus(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	zone := time.FixedZone("", 7200)
	d.intake.record = Record{
		CorrelationID: "id-1", Status: StatusProcessed, Attempts: 1, Response: raw(`{"success":{"points":120},"error":[]}`),
		CreatedAt: time.Date(2026, 1, 2, 5, 4, 5, 0, zone), UpdatedAt: time.Date(2026, 1, 2, 5, 4, 6, 500_000_000, zone),
		Callback: CallbackRecord{Status: CallbackPending, Attempts: 2,
			NextAttemptAt: time.Date(2026, 1, 2, 5, 5, 0, 0, zone), UpdatedAt: time.Date(2026, 1, 2, 5, 4, 7, 0, zone)},
	}
	w := d.do(http.MethodGet, eventsPath+"/id-1?x=y", nil)
	require.Equal(t, http.StatusOK, w.Code)
	requireSafeHeaders(t, w)
	assert.Equal(t, `{"status":"success","metadata":[],"payload":{"correlation_id":"id-1","status":"processed",`+
		`"response":{"success":{"points":120},"error":[]},"attempts":1,`+
		`"created_at":"2026-01-02T03:04:05Z","updated_at":"2026-01-02T03:04:06.5Z",`+
		`"callback":{"status":"pending","attempts":2,"next_attempt_at":"2026-01-02T03:05:00Z",`+
		`"updated_at":"2026-01-02T03:04:07Z"},`+
		`"timeline":[{"at":"2026-01-02T03:04:05Z","queue":"events","what":"accepted"},`+
		`{"at":"2026-01-02T03:04:06.5Z","queue":"events","what":"processed","attempt":1}]}}`, w.Body.String())
}

func TestHandlerHoldsTheStatus(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for query, want := range map[string]time.Duration{
		"": 0, "?other=1": 0, "?wait=0s": 0, "?wait=10s": 10 * time.Second, "?wait=1.5s": 1500 * time.Millisecond, "?wait=2h": time.Minute,
	} {
		d.intake.waited = 0
		assert.Equal(t, http.StatusOK, d.do(http.MethodGet, eventsPath+"/id-1"+query, nil).Code, query)
		assert.Equal(t, want, d.intake.waited, query)
	}
	for _, query := range []string{"?wait=", "?wait=-1s", "?wait=soon", "?wait=10"} {
		requireProblem(t, d.do(http.MethodGet, eventsPath+"/id-1"+query, nil), 400, 203405, "BadRequestException",
			"wait must be a duration such as 10s")
	}
}

func TestHandlerAnswersHead(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	got := d.do(http.MethodGet, eventsPath+"/id-1", nil)
	head := d.do(http.MethodHead, eventsPath+"/id-1", nil)
	assert.Equal(t, got.Code, head.Code)
	assert.Equal(t, got.Header(), head.Header())
	assert.Zero(t, head.Body.Len())
	assert.Equal(t, http.StatusNotFound, d.do(http.MethodHead, eventsPath+"/other", nil).Code)
}

func TestHandlerSpeaksReferenceStatusCodes(t *testing.T) {
	t.Parallel()
	d := newDesk(t, func(c *handlerConfig) { c.referenceStatusCodes = true })
	w := d.post(`{}`)
	assert.Equal(t, http.StatusOK, w.Code)
	assert.Equal(t, "/v1/async/events/id-1", w.Header().Get("Location"))
	w = d.do(http.MethodGet, eventsPath+"/other", nil)
	requireProblem(t, w, 400, 203408, "NotFoundException", "Correlation ID not found.")
	assert.Equal(t, http.StatusMethodNotAllowed, d.do(http.MethodPut, eventsPath, nil).Code)
}

// A record that cannot be shown is a fault of ours, not an empty answer.
func TestHandlerRefusesBrokenRecords(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.intake.record.Response = raw(`{"success":`)
	assert.Equal(t, http.StatusServiceUnavailable, d.do(http.MethodGet, eventsPath+"/id-1", nil).Code)
	assert.Contains(t, d.log.String(), "encode event id-1")
}

// An event that was just sent cannot be unknown to its client: that is a fault of ours, to be tried again.
func TestHandlerNeverAnswersPostWithNotFound(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.intake.err = fmt.Errorf("asyncevents: accept event id-1 again: %w", ErrNotFound)
	assert.Equal(t, http.StatusServiceUnavailable, d.post(`{}`).Code)
}

// Whatever a client sends, it is the client's fault, and the answer is one JSON object.
func FuzzHandler(f *testing.F) {
	f.Add("POST", "/v1/async/events", "application/json", []byte(`{"correlation_id":"a\r\nb"}`))
	f.Add("GET", "/v1/async/events/%0d%0aSet-Cookie:x", "", []byte(nil))
	f.Add("POST", "//v1/async/events", "text/plain\r\n", []byte(`{`))
	f.Fuzz(func(t *testing.T, method, uri, contentType string, body []byte) {
		d := newDesk(t)
		target, err := url.ParseRequestURI(uri)
		if err != nil {
			return
		}
		r := httptest.NewRequest(http.MethodPost, eventsPath, bytes.NewReader(body))
		r.Method, r.URL, r.RequestURI = method, target, uri
		r.Header.Set("Content-Type", contentType)
		w := httptest.NewRecorder()
		d.ServeHTTP(w, r)
		require.Less(t, w.Code, 500)
		require.NotContains(t, w.Header(), "Set-Cookie")
		require.NotRegexp(t, `^//|[\x00-\x20"\\\x7f-\xff]`, w.Header().Get("Location"))
		if method != http.MethodHead && w.Header().Get("Content-Type") == "application/json" {
			require.True(t, json.Valid(w.Body.Bytes()), w.Body.String())
		}
		require.Empty(t, d.log.String())
	})
}

func TestHandlerLogsToTheDefault(t *testing.T) {
	t.Parallel()
	h, ok := newHandler(&fakeIntake{}, handlerConfig{}).(*handler)
	require.True(t, ok)
	assert.Same(t, slog.Default(), h.config.logger)
}
