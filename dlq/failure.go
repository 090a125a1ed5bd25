package dlq

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/redrive-go/redrive/retry"
)

// Types of failures that are no error of a handler. See Failure.Type.
const (
	// TypePanic is a handler that panicked.
	TypePanic = "panic"
	// TypeTimeout is an error that wraps context.DeadlineExceeded.
	TypeTimeout = "timeout"
	// TypeLost is a message whose attempts were used up by handlers that never came to an end.
	TypeLost = "lost"
	// TypeUndecodable is a stored message that could not be decoded.
	TypeUndecodable = "undecodable"
	// TypePoisoned is a message that Watermill's PoisonQueue handed in; it does not tell the error's type.
	TypePoisoned = "poisoned"
)

// PanicError is a panic that Call caught.
type PanicError struct {
	// Value is what panic was called with.
	Value any
	// Stack is the stack trace. It is not part of the error's text, which people get to see.
	Stack string
}

// Error says what panic was called with.
func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// Unwrap returns Value when it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// Call calls fn and returns its error; a panic, also one of the returned error's own methods, becomes a *PanicError.
func Call(fn func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: printable(v), Stack: string(debug.Stack())}
		}
	}()
	if err = fn(); err != nil {
		probe(err)
	}
	return err
}

// errNone is no part of any error.
var errNone = errors.New("none")

// probe panics here, where it is caught, if looking at the error later would: a nil pointer in an error interface does.
func probe(err error) {
	_ = err.Error()
	_ = errors.Is(err, errNone) // walks all of it
}

// printable is v, or its type where the error in it cannot be looked at.
func printable(v any) (safe any) {
	defer func() {
		if recover() != nil {
			safe = fmt.Sprintf("%T", v)
		}
	}()
	if err, ok := v.(error); ok {
		probe(err)
	}
	return v
}

// typeError is the type of an error that has none of its own: one of errors.New or fmt.Errorf.
const typeError = "error"

// FailureOf describes err as the reason why an attempt failed: the type of the innermost error, "error" where that is
// a mere text, or one of the Type constants; its text, cut to retry.MaxErrorText; and the stack of a panic. The zero
// Failure stands for nil.
func FailureOf(err error) Failure {
	if err == nil {
		return Failure{}
	}
	failure := Failure{Type: typeOf(innermost(err)), Message: retry.CutText(err.Error())}
	var caught *PanicError
	switch {
	case errors.As(err, &caught):
		failure.Type, failure.Stack = TypePanic, caught.Stack
	case errors.Is(err, context.DeadlineExceeded):
		failure.Type = TypeTimeout
	}
	return failure
}

func typeOf(err error) string {
	switch t := fmt.Sprintf("%T", err); t {
	case "*errors.errorString", "*fmt.wrapError", "*fmt.wrapErrors", "*errors.joinError":
		return typeError
	default:
		return t
	}
}

// innermost follows err down to the one that wraps nothing, through the first of joined ones.
func innermost(err error) error {
	for {
		var inner error
		switch e := err.(type) { //nolint:errorlint // walks the chain itself
		case interface{ Unwrap() error }:
			inner = e.Unwrap()
		case interface{ Unwrap() []error }:
			if joined := e.Unwrap(); len(joined) > 0 {
				inner = joined[0]
			}
		}
		if inner == nil {
			return err
		}
		err = inner
	}
}
