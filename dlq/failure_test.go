package dlq_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/retry"
)

type hostileError struct{ text string }

func (e *hostileError) Error() string { return e.text } // panics on a nil pointer

func TestFailureOf(t *testing.T) {
	t.Parallel()
	dns := &net.DNSError{Err: "no such host", Name: "example.test"}
	tests := map[string]struct {
		err  error
		want dlq.Failure
	}{
		"nil":       {nil, dlq.Failure{}},
		"plain":     {errors.New("x"), dlq.Failure{Type: "error", Message: "x"}},
		"innermost": {fmt.Errorf("a: %w", retry.Permanent(dns)), dlq.Failure{Type: "*net.DNSError", Message: "a: " + dns.Error()}},
		"joined": {errors.Join(fmt.Errorf("a: %w", dns), errors.New("x")),
			dlq.Failure{Type: "*net.DNSError", Message: "a: " + dns.Error() + "\nx"}},
		"timeout": {fmt.Errorf("a: %w", context.DeadlineExceeded),
			dlq.Failure{Type: "timeout", Message: "a: context deadline exceeded"}},
		"cancelled": {context.Canceled, dlq.Failure{Type: "error", Message: "context canceled"}},
		"joined nothing": {fmt.Errorf("a: %w", errors.Join(nil, errors.New("x"))),
			dlq.Failure{Type: "error", Message: "a: x"}},
	}
	for name, test := range tests {
		assert.Equal(t, test.want, dlq.FailureOf(test.err), name)
	}
	long := dlq.FailureOf(errors.New(strings.Repeat("x", 1<<20)))
	assert.Len(t, long.Message, retry.MaxErrorText)
}

func TestCallCatchesPanics(t *testing.T) {
	t.Parallel()
	err := dlq.Call(func() error { panic("boom") })
	var caught *dlq.PanicError
	require.ErrorAs(t, err, &caught)
	assert.Equal(t, "boom", caught.Value)
	require.EqualError(t, err, "panic: boom", "no stack in the text")
	failure := dlq.FailureOf(fmt.Errorf("process: %w", err))
	assert.Equal(t, "panic", failure.Type)
	assert.Equal(t, "process: panic: boom", failure.Message)
	assert.Contains(t, failure.Stack, "TestCallCatchesPanics")

	err = dlq.Call(func() error { panic(retry.Permanent(errors.New("x"))) })
	assert.True(t, retry.IsPermanent(err), "a panic with an error wraps it")
	require.NoError(t, dlq.Call(func() error { return nil }))
}

func TestCallCatchesHostileErrors(t *testing.T) {
	t.Parallel()
	var nothing *hostileError
	var operation *net.OpError
	for name, fn := range map[string]func() error{
		"an error that is a nil pointer": func() error { return nothing },
		"one within another":             func() error { return errors.Join(errors.New("x"), operation) },
		"a panic with one":               func() error { panic(error(operation)) },
		"a panic with nil":               func() error { panic(nil) }, //nolint:govet // the point
		"a runtime error":                func() error { return errors.New(nothing.text) },
	} {
		err := dlq.Call(fn)
		var caught *dlq.PanicError
		require.ErrorAs(t, err, &caught, name)
		assert.Equal(t, "panic", dlq.FailureOf(err).Type, name)
		assert.NotErrorIs(t, err, context.Canceled, name)
	}
}
