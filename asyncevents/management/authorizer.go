package management

import (
	"errors"
	"fmt"
	"net/http"
)

// Action is what a request wants to do, as an Authorizer is asked for it.
type Action string

// The actions that an Authorizer decides on.
const (
	// ActionView is looking at the DLQs, at jobs, the list of exports, settings and the audit log. It does not show
	// payloads; error texts and what receivers of callbacks answered are not payloads.
	ActionView Action = "view"
	// ActionViewPayload is seeing the payloads of entries besides. Without it entries are shown as hiding theirs.
	ActionViewPayload Action = "view_payload"
	// ActionRetry is moving entries back, starting and stopping retry jobs, and importing export files into a main queue.
	ActionRetry Action = "retry"
	// ActionEdit is changing an entry's payload before it is moved back. Imports need it as well: a file may hold anything.
	ActionEdit Action = "edit"
	// ActionErase is erasing the entries of a DLQ.
	ActionErase Action = "erase"
	// ActionExport is making, downloading and deleting export files, and importing them into a DLQ. Downloads need
	// ActionViewPayload as well: the files hold payloads.
	ActionExport Action = "export"
	// ActionConfigure is changing the settings of retry jobs.
	ActionConfigure Action = "configure"
)

// Authorizer decides whether a request may do something, and says who sent it. A nil error allows it. Any other error,
// and a panic, denies it: with 401 when the error is or wraps a *ChallengeError, else with 403. The error's text is kept
// in the audit log and not shown to the client.
//
// The actor appears in the audit log, as far as it is known also for denials. It is cut to 128 bytes.
//
// A request may ask for more than one action: what shows entries asks whether to show their payloads, and a page for
// what to offer on it. Many requests ask at once.
type Authorizer func(r *http.Request, action Action) (actor string, err error)

// errReadOnly is the denial of ReadOnly.
var errReadOnly = errors.New("the management is read-only")

// ReadOnly returns an Authorizer that allows what the given one does as far as that is to look: ActionView and ActionViewPayload. It is for
// a handler that nobody changes anything through, at a second mount point or while something else is at work on the DLQs.
func ReadOnly(authorize Authorizer) Authorizer {
	if authorize == nil {
		return nil
	}
	return func(r *http.Request, action Action) (string, error) {
		actor, err := authorize(r, action)
		if err == nil && action != ActionView && action != ActionViewPayload {
			err = errReadOnly
		}
		return actor, err
	}
}

// ChallengeError is an Authorizer's denial of a request whose sender is not known yet. It is answered with 401.
type ChallengeError struct {
	// Challenges are the values of the WWW-Authenticate header, such as `Basic realm="redrive"`.
	Challenges []string
	// Err is why; it may be nil.
	Err error
}

// Error says that the request is not authenticated, and why.
func (e *ChallengeError) Error() string {
	if e.Err == nil {
		return "not authenticated"
	}
	return "not authenticated: " + e.Err.Error()
}

// Unwrap returns Err.
func (e *ChallengeError) Unwrap() error { return e.Err }

// errPanicked is the denial of an Authorizer that panicked.
var errPanicked = errors.New("the authorizer panicked")

// ask calls the Authorizer and turns a panic into a denial.
func (a Authorizer) ask(r *http.Request, action Action) (actor string, err error) {
	defer func() {
		if p := recover(); p != nil {
			actor, err = "", fmt.Errorf("%w: %v", errPanicked, p)
		}
	}()
	actor, err = a(r, action)
	return plainLine(actor), err
}
