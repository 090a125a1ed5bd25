package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Exit codes. The help explains them.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitNothing     = 3
	exitRefused     = 4
	exitInterrupted = 130 // what shells make of SIGINT
)

// failure is why a command did not do what it is for, as an operator has to know it.
type failure struct {
	// code is the exit code.
	code int
	// what went wrong, where, and what to do about it. Only what is always there.
	what, where, advice string
	// err is the error behind it, if there is one.
	err error
}

func (f *failure) Error() string { return f.what }

func (f *failure) Unwrap() error { return f.err }

// print prints a line for each of what, where and what to do.
func (f *failure) print(w io.Writer) {
	_, _ = fmt.Fprintln(w, "redrive: "+plain(f.what))
	if f.where != "" {
		_, _ = fmt.Fprintln(w, "  where: "+plain(f.where))
	}
	if f.advice != "" {
		_, _ = fmt.Fprintln(w, "  to do: "+plain(f.advice))
	}
}

// failureOf returns what is said of an error. Whatever ended because of an interruption says no more than that, unless
// somebody knew better.
func failureOf(ctx context.Context, err error) *failure {
	f, known := errors.AsType[*failure](err)
	switch {
	case known && f.code == exitInterrupted:
		return f
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		return &failure{code: exitInterrupted, what: "interrupted", advice: "look at what was done before you repeat it"}
	case known:
		return f
	}
	return &failure{code: exitFailed, what: err.Error()}
}

// newUsage says what is wrong with the command line of a command; "" is none in particular.
func newUsage(command, what string) *failure {
	advice := "redrive help lists the commands and flags"
	if command != "" {
		what, advice = command+": "+what, "redrive help "+command+" says how it is used"
	}
	return &failure{code: exitUsage, what: what, advice: advice}
}

// newNothing says that there is nothing to do a command to.
func newNothing(what string) *failure { return &failure{code: exitNothing, what: what} }

// oneOf is an error unless text is one of the choices.
func oneOf(text string, choices ...string) error {
	if slices.Contains(choices, text) {
		return nil
	}
	return fmt.Errorf("it must be %s", strings.Join(choices, " or "))
}
