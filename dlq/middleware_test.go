package dlq_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/components/delay"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/retry"
)

var errBusy = errors.New("busy")

// counted is a message as our own transports deliver it.
func counted(attempt int) *message.Message {
	msg := message.NewMessage("uuid", message.Payload(`{"a": 1}`))
	msg.Metadata.Set(retry.MetadataAttempt, strconv.Itoa(attempt))
	return msg
}

// redelivered is msg as it comes back after a nack, with the metadata that it carries.
func redelivered(msg *message.Message) *message.Message {
	again := msg.Copy()
	attempt, _ := strconv.Atoi(msg.Metadata.Get(retry.MetadataAttempt))
	again.Metadata.Set(retry.MetadataAttempt, strconv.Itoa(attempt+1))
	return again
}

func middleware(t *testing.T, f *fake, cfg *dlq.MiddlewareConfig, handler message.HandlerFunc) message.HandlerFunc {
	t.Helper()
	if cfg == nil {
		cfg = &dlq.MiddlewareConfig{}
	}
	cfg.Logger = quiet
	poison, err := dlq.Middleware(f, "events", cfg)
	require.NoError(t, err)
	return poison(handler)
}

func failing(err error) message.HandlerFunc {
	return func(*message.Message) ([]*message.Message, error) { return nil, err }
}

func untouched(t *testing.T) message.HandlerFunc {
	return func(*message.Message) ([]*message.Message, error) {
		t.Error("the handler must not be called")
		return nil, nil
	}
}

func TestMiddlewarePassesSuccessThrough(t *testing.T) {
	t.Parallel()
	f := &fake{}
	out := message.Messages{message.NewMessage("out", nil)}
	got, err := middleware(t, f, nil, func(*message.Message) ([]*message.Message, error) { return out, nil })(counted(1))
	require.NoError(t, err)
	assert.Equal(t, []*message.Message(out), got)
	assert.Empty(t, f.all())
}

func TestMiddlewareCountsAttempts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		calls := 0
		h := middleware(t, f, nil, func(*message.Message) ([]*message.Message, error) {
			calls++
			time.Sleep(12 * time.Millisecond)
			return nil, errors.New("failure " + strconv.Itoa(calls))
		})
		msg := counted(1)
		for attempt := 1; attempt <= 4; attempt++ {
			_, err := h(msg)
			require.EqualError(t, err, "failure "+strconv.Itoa(attempt))
			wait, parseErr := time.ParseDuration(msg.Metadata.Get(delay.DelayedForKey))
			require.NoError(t, parseErr)
			base := retry.Policy{Jitter: -1}.Backoff(attempt)
			assert.GreaterOrEqual(t, wait, base)
			assert.LessOrEqual(t, wait, base*6/5)
			until, parseErr := time.Parse(time.RFC3339, msg.Metadata.Get(delay.DelayedUntilKey))
			require.NoError(t, parseErr)
			assert.False(t, until.Before(time.Now().Add(wait)), "never sooner")
			assert.Empty(t, f.all())
			msg = redelivered(msg)
		}
		_, err := h(msg)
		require.NoError(t, err, "acknowledged")
		require.Len(t, f.all(), 1)
		entry := f.all()[0]
		assert.Equal(t, dlq.Failure{Type: "error", Message: "failure 5"}, entry.Failure)
		require.Len(t, entry.Attempts, 5)
		for i, a := range entry.Attempts {
			assert.Equal(t, i+1, a.Number)
			assert.Equal(t, "failure "+strconv.Itoa(i+1), a.Error)
			assert.Equal(t, int64(12), a.DurationMS)
		}
		assert.JSONEq(t, `{"a": 1}`, string(entry.Payload))
		assert.Empty(t, entry.Metadata, "nothing about the delivery")
	})
}

func TestMiddlewareKeepsFirstReasonThroughRedrives(t *testing.T) {
	t.Parallel()
	f := &fake{}
	history := retry.History{{Number: 1, Error: "the first"}}
	for round := 1; round <= 3; round++ {
		msg := counted(5)
		msg.Metadata.Set(retry.MetadataRedrives, strconv.Itoa(round))
		msg.Metadata.Set(retry.MetadataHistory, history.String())
		_, err := middleware(t, f, nil, failing(errBusy))(msg)
		require.NoError(t, err)
		entry := f.all()[round-1]
		assert.Equal(t, round, entry.Redrives)
		history = entry.Attempts
	}
	assert.Equal(t, "the first", history[0].Error)
	assert.Equal(t, 4, history.Last())
}

func TestMiddlewareHonoursPermanentAndAfter(t *testing.T) {
	t.Parallel()
	f := &fake{}
	msg := counted(1)
	err := retry.After(time.Hour, errBusy)
	_, got := middleware(t, f, nil, failing(err))(msg)
	require.ErrorIs(t, got, errBusy)
	assert.Equal(t, "1h0m0s", msg.Metadata.Get(delay.DelayedForKey))
	_, got = middleware(t, f, nil, failing(retry.Permanent(errBusy)))(counted(1))
	require.NoError(t, got)
	assert.Len(t, f.all(), 1)
}

func TestMiddlewareWithoutCountDeadLettersAtOnce(t *testing.T) {
	t.Parallel()
	f := &fake{}
	_, err := middleware(t, f, nil, failing(errBusy))(&message.Message{Payload: []byte("no uuid, no metadata")})
	require.NoError(t, err)
	_, err = middleware(t, f, nil, failing(errBusy))(&message.Message{})
	require.NoError(t, err)
	entries := f.all()
	require.Len(t, entries, 2)
	assert.NotEmpty(t, entries[0].MessageID)
	assert.NotEqual(t, entries[0].MessageID, entries[1].MessageID, "two messages without a UUID are two entries")
	assert.Len(t, entries[0].Attempts, 1)
}

func TestMiddlewarePanic(t *testing.T) {
	t.Parallel()
	f := &fake{}
	boom := func(*message.Message) ([]*message.Message, error) { panic("boom") }
	msg := counted(1)
	_, err := middleware(t, f, nil, boom)(msg)
	require.EqualError(t, err, "panic: boom")
	msg = counted(5)
	_, err = middleware(t, f, nil, boom)(msg)
	require.NoError(t, err)
	failure := f.all()[0].Failure
	assert.Equal(t, "panic", failure.Type)
	assert.Equal(t, "panic: boom", failure.Message)
	assert.Contains(t, failure.Stack, "TestMiddlewarePanic")
	assert.NotContains(t, f.all()[0].Attempts.String(), "goroutine")
}

func TestMiddlewareLeavesShutdownAlone(t *testing.T) {
	t.Parallel()
	f := &fake{}
	ctx, cancel := context.WithCancel(t.Context())
	msg := counted(5)
	msg.SetContext(ctx)
	_, err := middleware(t, f, nil, func(msg *message.Message) ([]*message.Message, error) {
		cancel()
		<-msg.Context().Done()
		return nil, msg.Context().Err()
	})(msg)
	require.ErrorIs(t, err, context.Canceled)
	assert.Empty(t, f.all())
	assert.Empty(t, msg.Metadata.Get(retry.MetadataHistory), "says nothing about the message")
}

func TestMiddlewareDeadLettersWhatIsNoShutdown(t *testing.T) {
	t.Parallel()
	expired := func(t *testing.T) context.Context {
		ctx, cancel := context.WithTimeout(t.Context(), 0)
		t.Cleanup(cancel)
		<-ctx.Done()
		return ctx
	}
	tests := map[string]struct {
		ctx     func(t *testing.T) context.Context
		handler message.HandlerFunc
		kind    string
	}{
		"a deadline": {expired, failing(context.DeadlineExceeded), "timeout"},
		"context.Canceled of another context": {func(t *testing.T) context.Context { return t.Context() },
			failing(context.Canceled), "error"},
		"context.Canceled after a deadline": {expired, failing(context.Canceled), "error"},
		"a middleware within that cancels its own": {func(t *testing.T) context.Context { return t.Context() },
			func(msg *message.Message) ([]*message.Message, error) {
				ctx, cancel := context.WithCancel(msg.Context())
				cancel()
				msg.SetContext(ctx)
				return nil, context.Canceled
			}, "error"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fake{}
			msg := counted(5)
			msg.SetContext(test.ctx(t))
			_, err := middleware(t, f, nil, test.handler)(msg)
			require.NoError(t, err)
			require.Len(t, f.all(), 1, "a cancelled context does not keep it out of the DLQ")
			assert.Equal(t, test.kind, f.all()[0].Failure.Type)
		})
	}
}

func TestMiddlewareFilter(t *testing.T) {
	t.Parallel()
	f := &fake{}
	cfg := &dlq.MiddlewareConfig{ShouldDeadLetter: func(err error) bool { return !errors.Is(err, errBusy) }}
	msg := counted(5)
	_, err := middleware(t, f, cfg, failing(errBusy))(msg)
	require.ErrorIs(t, err, errBusy)
	assert.Empty(t, f.all())
	assert.Empty(t, msg.Metadata.Get(delay.DelayedForKey))
	_, err = middleware(t, f, cfg, failing(errors.New("other")))(counted(5))
	require.NoError(t, err)
	assert.Len(t, f.all(), 1)
}

func TestMiddlewareWithoutCall(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		attempt int
		key     string
		want    dlq.Failure
	}{
		"undecodable": {1, retry.MetadataDamage, dlq.Failure{Type: "undecodable", Message: strings.Repeat("x", 10)}},
		"lost": {6, "k", dlq.Failure{Type: "lost",
			Message: "all 5 attempts are used up: the process ended inside the handler, or its lease ran out"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fake{}
			msg := counted(test.attempt)
			msg.Metadata.Set(test.key, strings.Repeat("x", 10))
			msg.Metadata.Set(retry.MetadataHistory, retry.History{{Number: 1, Error: "lost"}}.String())
			_, err := middleware(t, f, nil, untouched(t))(msg)
			require.NoError(t, err)
			entry := f.all()[0]
			assert.Equal(t, test.want, entry.Failure)
			assert.Len(t, entry.Attempts, 1, "no attempt was made")
			assert.NotContains(t, entry.Metadata, retry.MetadataDamage)
		})
	}
}

func TestMiddlewareKeepsMessageWhileStoreIsAway(t *testing.T) {
	t.Parallel()
	f := &fake{addErr: errAway}
	first := counted(5)
	_, err := middleware(t, f, nil, failing(errBusy))(first)
	require.ErrorIs(t, err, errAway)
	require.ErrorIs(t, err, errBusy)
	wait, parseErr := time.ParseDuration(first.Metadata.Get(delay.DelayedForKey))
	require.NoError(t, parseErr)
	assert.Positive(t, wait, "no hot loop")

	second := redelivered(first)
	_, err = middleware(t, f, nil, untouched(t))(second)
	require.ErrorIs(t, err, errAway)
	require.ErrorContains(t, err, "busy")

	f.setAddErr(nil)
	_, err = middleware(t, f, nil, untouched(t))(redelivered(second))
	require.NoError(t, err)
	require.Len(t, f.all(), 1)
	entry := f.all()[0]
	assert.Equal(t, dlq.Failure{Type: "error", Message: "busy"}, entry.Failure, "the reason, not lost")
	assert.Len(t, entry.Attempts, 1)
	assert.Empty(t, entry.Metadata)
}

func TestMiddlewareWaitsWhereTheTransportDoesNot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fake{addErr: errAway}
		h := middleware(t, f, &dlq.MiddlewareConfig{Policy: retry.Fixed(time.Minute)}, failing(errBusy))
		began := time.Now()
		_, err := h(message.NewMessage("uuid", nil))
		require.ErrorIs(t, err, errAway)
		assert.Equal(t, time.Minute, time.Since(began))

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began = time.Now()
		_, err = h(message.NewMessageWithContext(ctx, "uuid", nil))
		require.ErrorIs(t, err, errAway)
		assert.Equal(t, time.Second, time.Since(began), "a shutdown does not wait for it")
	})
}

func TestMiddlewareAddIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		poison, err := dlq.Middleware(hangingStore{}, "events", &dlq.MiddlewareConfig{Logger: quiet})
		require.NoError(t, err)
		began := time.Now()
		_, err = poison(failing(errBusy))(counted(5))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, 30*time.Second, time.Since(began))
	})
}

// hangingStore is a Store that answers when its caller has lost patience.
type hangingStore struct{ dlq.Store }

func (hangingStore) Add(ctx context.Context, _ dlq.Entry) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestMiddlewareLeavesLostClaimsAlone(t *testing.T) {
	t.Parallel()
	_, err := middleware(t, &fake{addErr: dlq.ErrNotHeld}, nil, failing(errBusy))(counted(5))
	require.NoError(t, err)
}

func TestMiddlewareRefuses(t *testing.T) {
	t.Parallel()
	_, err := dlq.Middleware(nil, "", &dlq.MiddlewareConfig{Policy: retry.Policy{MaxAttempts: -1}})
	for _, fault := range []string{"store", "queue", "Policy: MaxAttempts"} {
		require.ErrorContains(t, err, fault)
	}
}
