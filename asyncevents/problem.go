package asyncevents

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"
)

// Codes of a Problem, as clients see them.
const (
	// CodeMalformed is a body that is not one well-formed JSON object, or that a Validator refused without a code.
	CodeMalformed = 203400
	// CodeEmptyProperty is a required property that is absent or empty.
	CodeEmptyProperty = 203401
	// CodeInvalidAction is an action that is not among the allowed ones.
	CodeInvalidAction = 203404
	// CodeInvalidProperty is a bad callback_url, correlation_id, Idempotency-Key, wait, or attribute of a CloudEvent.
	CodeInvalidProperty = 203405
	// CodeMethodNotAllowed is a method that the path does not know.
	CodeMethodNotAllowed = 203406
	// CodeNotFound is an unknown correlation id.
	CodeNotFound = 203408
	// CodeTooLarge is a body above the limit.
	CodeTooLarge = 203413
	// CodeUnsupportedMediaType is a content type other than JSON, or a content encoding.
	CodeUnsupportedMediaType = 203415
	// CodeIdempotencyConflict is a correlation id or idempotency key that was sent before with another body.
	CodeIdempotencyConflict = 203422
	// CodeTooManyRequests is a rate or queue limit that was reached.
	CodeTooManyRequests = 203429
	// CodeUnavailable is a store or broker that cannot be used now.
	CodeUnavailable = 203503
	// CodeUnauthorized is a request that the authenticator refused.
	CodeUnauthorized = 220052
)

// typeBadRequest is the type of every problem that is answered with 400.
const typeBadRequest = "BadRequestException"

// maxProblemEcho is how many bytes of what a client sent an error message repeats.
const maxProblemEcho = 128

// Problem is an error that is answered to the client as it is. A Validator returns one to choose status, type,
// code and message. Its JSON is the value of "error" in the answer.
type Problem struct {
	// HTTPStatus is the status of the answer, 400 to 599. Defaults to 400.
	HTTPStatus int `json:"-"`
	// Type is the kind of problem, such as "BadRequestException". Defaults to that.
	Type string `json:"type"`
	// Code names the problem for programs. Defaults to CodeMalformed.
	Code int `json:"code"`
	// Message explains the problem to people. It is shown to the client.
	Message string `json:"message"`
	// RetryAfter, when positive, tells the client when to try again. It is rounded up to whole seconds.
	RetryAfter time.Duration `json:"-"`
}

// Error returns the code and the message.
func (p *Problem) Error() string { return strconv.Itoa(p.Code) + ": " + p.Message }

// withDefaults returns a copy with what the Validator that made it left out or got wrong.
func (p *Problem) withDefaults() Problem {
	filled := *p
	if filled.HTTPStatus < 400 || filled.HTTPStatus > 599 {
		filled.HTTPStatus = http.StatusBadRequest
	}
	if filled.Type == "" {
		filled.Type = typeBadRequest
	}
	if filled.Code == 0 {
		filled.Code = CodeMalformed
	}
	return filled
}

// retryAfterSeconds is the value of the Retry-After header, "" for none.
func (p *Problem) retryAfterSeconds() string {
	if p.RetryAfter <= 0 {
		return ""
	}
	return strconv.FormatInt(int64(math.Ceil(p.RetryAfter.Seconds())), 10)
}

// cutEcho cuts what a client sent to maxProblemEcho bytes, between two characters.
func cutEcho(text string) string {
	if len(text) <= maxProblemEcho {
		return text
	}
	cut := maxProblemEcho
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}

func newMalformedProblem(message string) *Problem {
	return &Problem{HTTPStatus: http.StatusBadRequest, Type: typeBadRequest, Code: CodeMalformed, Message: message}
}

func newEmptyPropertyProblem(name string) *Problem {
	message := "Property '" + name + "' cannot be empty"
	return &Problem{HTTPStatus: http.StatusBadRequest, Type: typeBadRequest, Code: CodeEmptyProperty, Message: message}
}

func newInvalidActionProblem(action string) *Problem {
	message := "Invalid action: " + cutEcho(action)
	return &Problem{HTTPStatus: http.StatusBadRequest, Type: typeBadRequest, Code: CodeInvalidAction, Message: message}
}

// newInvalidPropertyProblem says why a callback_url or correlation_id is refused.
func newInvalidPropertyProblem(message string) *Problem {
	return &Problem{HTTPStatus: http.StatusBadRequest, Type: typeBadRequest, Code: CodeInvalidProperty, Message: message}
}

func newCallbackURLProblem() *Problem {
	return newInvalidPropertyProblem("callback_url must be an absolute https URL")
}

func newUnauthorizedProblem() *Problem {
	return &Problem{HTTPStatus: http.StatusUnauthorized, Type: "UnauthorizedException", Code: CodeUnauthorized,
		Message: "Bearer token authentication failed"}
}

func newNotFoundProblem() *Problem {
	return &Problem{HTTPStatus: http.StatusNotFound, Type: "NotFoundException", Code: CodeNotFound,
		Message: "Correlation ID not found."}
}

func newMethodProblem(allow string) *Problem {
	return &Problem{HTTPStatus: http.StatusMethodNotAllowed, Type: "MethodNotAllowedException", Code: CodeMethodNotAllowed,
		Message: "This path knows only " + allow}
}

func newTooLargeProblem(limit int64) *Problem {
	return &Problem{HTTPStatus: http.StatusRequestEntityTooLarge, Type: "PayloadTooLargeException", Code: CodeTooLarge,
		Message: fmt.Sprintf("The body is larger than %d bytes", limit)}
}

func newMediaTypeProblem(message string) *Problem {
	return &Problem{HTTPStatus: http.StatusUnsupportedMediaType, Type: "UnsupportedMediaTypeException",
		Code: CodeUnsupportedMediaType, Message: message}
}

func newConflictProblem() *Problem {
	return &Problem{HTTPStatus: http.StatusUnprocessableEntity, Type: "UnprocessableEntityException",
		Code: CodeIdempotencyConflict, Message: "This correlation id or idempotency key was used before with another body"}
}

func newTooManyRequestsProblem(retryAfter time.Duration) *Problem {
	return &Problem{HTTPStatus: http.StatusTooManyRequests, Type: "TooManyRequestsException", Code: CodeTooManyRequests,
		Message: "Too many requests, try again later", RetryAfter: retryAfter}
}

func newUnavailableProblem(retryAfter time.Duration) *Problem {
	return &Problem{HTTPStatus: http.StatusServiceUnavailable, Type: "ServiceUnavailableException", Code: CodeUnavailable,
		Message: "The service cannot do this now, try again later", RetryAfter: retryAfter}
}
