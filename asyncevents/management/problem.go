package management

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/export"
	"github.com/redrive-go/redrive/retry"
)

// Codes of the errors that this API alone answers with. The others are those of the intake.
const (
	// CodeUnsupported is a parameter or a field of the body that the call does not know. Nothing was done.
	CodeUnsupported = 203501
	// CodeInvalidSettings is settings outside their limits. The message names every fault.
	CodeInvalidSettings = 203502
	// CodeBadImport is a file to import that is no export, or damaged. What stands before the damage was imported.
	CodeBadImport = 203504
	// CodeNothingSelected is a call for some entries that names none of them. Nothing was done.
	CodeNothingSelected = 203505
	// CodeForbidden is a request that the Authorizer denied.
	CodeForbidden = 203510
	// CodeCrossOrigin is a request that a browser sent from another origin.
	CodeCrossOrigin = 203511
	// CodeUnredacted is a download of an export where payloads are redacted.
	CodeUnredacted = 203512
	// CodePayloadsHidden is a search or change of payloads by somebody who must not see them as they are.
	CodePayloadsHidden = 203513
	// CodePathNotFound is a path that is not part of the API.
	CodePathNotFound = 203520
	// CodeQueueNotFound is an unknown queue.
	CodeQueueNotFound = 203521
	// CodeEntryNotFound is an entry that is not, or no longer, in the DLQ; or an empty DLQ.
	CodeEntryNotFound = 203522
	// CodeJobNotFound is a retry job that never was, or one to stop that does not run.
	CodeJobNotFound = 203523
	// CodeExportNotFound is an unknown export.
	CodeExportNotFound = 203524
	// CodeEventNotFound is a correlation id of which nothing is known: no record, and no dead letter.
	CodeEventNotFound = 203525
	// CodeJobRunning is a retry job that cannot start because one runs.
	CodeJobRunning = 203530
	// CodeJobNotPaused is a retry job that is to go on and is not paused.
	CodeJobNotPaused = 203534
	// CodeCountDiffers is an erasure whose confirmed count is missing or not the present one.
	CodeCountDiffers = 203531
	// CodeExportNotReady is the file of an export that is running or failed.
	CodeExportNotReady = 203532
	// CodeExportRunning is an erasure while an export of the same DLQ is being written. Nothing was erased.
	CodeExportRunning = 203533
)

// storeRetryAfter is when a client may try again after the store failed.
const storeRetryAfter = 5 * time.Second

func newMalformedProblem(message string) *asyncevents.Problem {
	return newBadRequestProblem(asyncevents.CodeMalformed, message)
}

// newUnsupportedProblem names the parameter or field that a call does not know; kind says which of the two.
func newUnsupportedProblem(kind, name string) *asyncevents.Problem {
	return newBadRequestProblem(CodeUnsupported, kind+" '"+plainLine(name)+"' is not supported by this call")
}

func newBadRequestProblem(code int, message string) *asyncevents.Problem {
	return &asyncevents.Problem{HTTPStatus: http.StatusBadRequest, Type: "BadRequestException", Code: code, Message: message}
}

func newSelectionProblem() *asyncevents.Problem {
	return newBadRequestProblem(CodeNothingSelected, "No entry is selected")
}

func newSettingsProblem(faults error) *asyncevents.Problem {
	return newBadRequestProblem(CodeInvalidSettings, oneLine(faults))
}

// oneLine says on one line what errors.Join put on several.
func oneLine(faults error) string { return strings.ReplaceAll(faults.Error(), "\n", "; ") }

func newUnauthorizedProblem() *asyncevents.Problem {
	return &asyncevents.Problem{HTTPStatus: http.StatusUnauthorized, Type: "UnauthorizedException",
		Code: asyncevents.CodeUnauthorized, Message: "Authentication failed"}
}

func newForbiddenProblem() *asyncevents.Problem {
	return &asyncevents.Problem{HTTPStatus: http.StatusForbidden, Type: "ForbiddenException",
		Code: CodeForbidden, Message: "You are not allowed to do this"}
}

func newCrossOriginProblem() *asyncevents.Problem {
	return &asyncevents.Problem{HTTPStatus: http.StatusForbidden, Type: "ForbiddenException",
		Code: CodeCrossOrigin, Message: "The request came from another origin"}
}

func newUnredactedProblem() *asyncevents.Problem {
	return &asyncevents.Problem{HTTPStatus: http.StatusForbidden, Type: "ForbiddenException",
		Code: CodeUnredacted, Message: "Payloads are redacted here, and the files of exports are not"}
}

// newHiddenProblem says what is not to be done with payloads that are hidden.
func newHiddenProblem(what string) *asyncevents.Problem {
	return &asyncevents.Problem{HTTPStatus: http.StatusForbidden, Type: "ForbiddenException",
		Code: CodePayloadsHidden, Message: "Payloads are hidden from you, so they cannot be " + what}
}

func newPathProblem() *asyncevents.Problem {
	return newNotFoundProblem(CodePathNotFound, "There is nothing at this path")
}

func newQueueProblem() *asyncevents.Problem {
	return newNotFoundProblem(CodeQueueNotFound, "There is no such queue: it is "+strings.Join(queueNames, " or "))
}

func newEntryProblem() *asyncevents.Problem {
	return newNotFoundProblem(CodeEntryNotFound, "There is no such entry in this dead-letter queue")
}

func newEventProblem() *asyncevents.Problem {
	return newNotFoundProblem(CodeEventNotFound, "Nothing is known of an event of this correlation id")
}

func newExportProblem() *asyncevents.Problem {
	return newNotFoundProblem(CodeExportNotFound, "There is no such export")
}

func newNotFoundProblem(code int, message string) *asyncevents.Problem {
	return &asyncevents.Problem{HTTPStatus: http.StatusNotFound, Type: "NotFoundException", Code: code, Message: message}
}

// methodError is a path that knows other methods than the request's.
type methodError struct{ allow []string }

func newMethodProblem(allow []string) error {
	return &methodError{allow: slices.Sorted(slices.Values(allow))}
}

func (e *methodError) Error() string { return "This path knows only " + e.header() }

// header is the value of the Allow header.
func (e *methodError) header() string { return strings.Join(e.allow, ", ") }

func newConflictProblem(code int, message string) *asyncevents.Problem {
	return &asyncevents.Problem{HTTPStatus: http.StatusConflict, Type: "ConflictException", Code: code, Message: message}
}

// newTooLargeProblem names the limit in KiB, or in bytes where it is none of whole ones.
func newTooLargeProblem(limit int64) *asyncevents.Problem {
	size := strconv.FormatInt(limit, 10) + " bytes"
	if limit%1024 == 0 {
		size = strconv.FormatInt(limit/1024, 10) + " KiB"
	}
	return &asyncevents.Problem{HTTPStatus: http.StatusRequestEntityTooLarge, Type: "PayloadTooLargeException",
		Code: asyncevents.CodeTooLarge, Message: "The body is larger than " + size}
}

func newCodingProblem() *asyncevents.Problem {
	return &asyncevents.Problem{HTTPStatus: http.StatusUnsupportedMediaType, Type: "UnsupportedMediaTypeException",
		Code: asyncevents.CodeUnsupportedMediaType, Message: "The body must not be compressed"}
}

func newUnavailableProblem() *asyncevents.Problem {
	return &asyncevents.Problem{HTTPStatus: http.StatusServiceUnavailable, Type: "ServiceUnavailableException",
		Code: asyncevents.CodeUnavailable, Message: "The store could not be used now, try again later",
		RetryAfter: storeRetryAfter}
}

// problemOf returns what a client is told of an error. Whatever is none of the known ones is the store's.
func problemOf(err error) *asyncevents.Problem {
	if problem, ok := errors.AsType[*asyncevents.Problem](err); ok {
		return problem
	}
	if method, ok := errors.AsType[*methodError](err); ok {
		return &asyncevents.Problem{HTTPStatus: http.StatusMethodNotAllowed, Type: "MethodNotAllowedException",
			Code: asyncevents.CodeMethodNotAllowed, Message: method.Error()}
	}
	if broken, ok := errors.AsType[*importError](err); ok {
		return broken.problem()
	}
	if _, ok := errors.AsType[*dlq.CountError](err); ok {
		return newConflictProblem(CodeCountDiffers, "The confirmed count is missing or not the present one; nothing was erased")
	}
	if errors.Is(err, dlq.ErrBadFilter) || errors.Is(err, retry.ErrBadOptions) {
		return newMalformedProblem(oneLine(err))
	}
	for _, known := range knownErrors {
		if errors.Is(err, known.err) {
			return known.problem
		}
	}
	return newUnavailableProblem()
}

// knownErrors are the sentinels of the packages beneath, and what a client is told of them.
var knownErrors = []struct {
	err     error
	problem *asyncevents.Problem
}{
	{dlq.ErrNotFound, newEntryProblem()},
	{dlq.ErrBadCursor, newMalformedProblem("Parameter 'cursor' is not one that this API handed out")},
	{retry.ErrRunning, newConflictProblem(CodeJobRunning, "A retry job of this queue is running")},
	{retry.ErrNotPaused, newConflictProblem(CodeJobNotPaused, "The retry job of this queue is not paused")},
	{retry.ErrNoJob, newNotFoundProblem(CodeJobNotFound, "There is no such retry job")},
	{export.ErrNotFound, newExportProblem()},
	{export.ErrNotReady, newConflictProblem(CodeExportNotReady, "The export has no file: it is running, or failed")},
}

// bodyProblem returns what a client is told of a body that could not be read.
func bodyProblem(err error) *asyncevents.Problem {
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return newTooLargeProblem(tooLarge.Limit)
	}
	return newMalformedProblem("The body could not be read")
}
