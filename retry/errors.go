package retry

import (
	"errors"
	"time"
)

// Permanent marks err as one that no further attempt can mend: the message goes to the DLQ at once. Permanent(nil) is
// nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanentError{err}
}

// IsPermanent is whether err, or one that it wraps, was made by Permanent.
func IsPermanent(err error) bool {
	var p *permanentError
	return errors.As(err, &p)
}

// After marks err as one after which the next attempt should wait for at least d. The policy's own backoff
// still holds when it is longer. After(d, nil) is nil.
func After(d time.Duration, err error) error {
	if err == nil {
		return nil
	}
	return &afterError{d, err}
}

type permanentError struct{ err error }

func (e *permanentError) Error() string { return e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }

type afterError struct {
	wait time.Duration
	err  error
}

func (e *afterError) Error() string { return e.err.Error() }
func (e *afterError) Unwrap() error { return e.err }

// requestedWait is the longest wait that an After within err asks for.
func requestedWait(err error) time.Duration {
	var wait time.Duration
	switch e := err.(type) { //nolint:errorlint // walks the tree itself: errors.As stops at the first
	case *afterError:
		wait = max(e.wait, requestedWait(e.err))
	case interface{ Unwrap() error }:
		wait = requestedWait(e.Unwrap())
	case interface{ Unwrap() []error }:
		for _, joined := range e.Unwrap() {
			wait = max(wait, requestedWait(joined))
		}
	}
	return wait
}
