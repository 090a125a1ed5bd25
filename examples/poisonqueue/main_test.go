package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStory(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	began := time.Now()
	require.NoError(t, run(t.Context(), &out, slog.New(slog.DiscardHandler)))
	assert.Less(t, time.Since(began), 5*time.Second)
	assert.Equal(t, `sending orders-1, which is fine, and orders-2, whose handler fails
sending mails-1, which is fine, and mails-2, whose handler fails
sending clicks-1, which is fine, and clicks-2, whose handler fails

handled: [clicks-1 mails-1 orders-1]
DLQ "orders": 1
  orders-2, attempts: 3, error: the warehouse does not answer
DLQ "mails": 1
  mails-2, attempts: 1, poisoned: the warehouse does not answer
DLQ "clicks": 1
  clicks-2, attempts: 1, error: the warehouse does not answer

the warehouse answers again
moved orders-2 back to the topic "orders"
moved mails-2 back to the topic "mails"
moved clicks-2 back to the topic "clicks"

handled: [clicks-1 clicks-2 mails-1 mails-2 orders-1 orders-2]
DLQ "orders": 0
DLQ "mails": 0
DLQ "clicks": 0
`, out.String())
}

func TestWaitGivesUp(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err := wait(ctx, "nothing", func() (bool, error) { return false, nil })
	require.ErrorIs(t, err, errWaited)
	failure := errors.New("no store")
	assert.ErrorIs(t, wait(t.Context(), "nothing", func() (bool, error) { return false, failure }), failure)
}
