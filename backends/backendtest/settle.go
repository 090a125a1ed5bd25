package backendtest

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/retry"
)

var settleCases = []testCase{
	{"processed and error remove the message", settleFinal},
	{"without a delivered message changes the record only", settleWithoutMessage},
	{"without a record settles the rest", settleWithoutRecord},
	{"again reschedules the message", settleAgain},
	{"dead letter replaces the message", settleDeadLetter},
	{"publishes a callback with the outcome", settlePublishes},
	{"callback statuses", settleCallback},
	{"again leaves a callback pending", settleCallbackAgain},
	{"again comes too late after a later attempt", settleAgainLate},
	{"remembers the attempts of an event and of its callback", settleHistory},
	{"a lost claim changes nothing", settleLost},
	{"a lost claim and the present one are told apart together", func(t *testing.T, f *fixture) {
		settleTogether(t, f, func(*asyncevents.Settlement) {})
	}},
	{"a lost claim publishes nothing beside the present one", func(t *testing.T, f *fixture) {
		settleTogether(t, f, func(s *asyncevents.Settlement) {
			s.Callback, s.Publish, s.PublishTopic = asyncevents.CallbackPending, newMessage("{}"), "callbacks"
		})
		f.requireBacklog(t, "callbacks", asyncevents.Backlog{Ready: 1})
	}},
	{"a settled claim changes nothing", settleTwice},
	{"with an ended context all or nothing", settleEndedContext},
}

func processed(id string) asyncevents.Settlement {
	return asyncevents.Settlement{
		CorrelationID: id, Queue: asyncevents.EventsQueue,
		Status: asyncevents.StatusProcessed, Attempts: 1, Response: json.RawMessage(`{"success":{"n":1},"error":[]}`),
	}
}

func settleFinal(t *testing.T, f *fixture) {
	messages := f.consume(t, topic, quick())
	for _, status := range []asyncevents.Status{asyncevents.StatusProcessed, asyncevents.StatusError} {
		id := string(status)
		f.accept(t, id, "{}")
		msg := receive(t, messages)
		s := processed(id)
		s.Status = status
		require.NoError(t, f.Events.Settle(settling(msg), s))
		f.requireEmpty(t, topic) // not acknowledged yet

		record := f.find(t, id)
		assert.Equal(t, status, record.Status)
		assert.Equal(t, 1, record.Attempts)
		assert.JSONEq(t, string(s.Response), string(record.Response))
		assert.True(t, record.NextAttemptAt.IsZero())
		assert.False(t, record.UpdatedAt.Before(record.CreatedAt.Add(-time.Second)))
		msg.Ack()
	}
}

func settleWithoutMessage(t *testing.T, f *fixture) {
	f.accept(t, "e-1", "{}")
	require.NoError(t, f.Events.Settle(t.Context(), processed("e-1")))
	assert.Equal(t, asyncevents.StatusProcessed, f.find(t, "e-1").Status)
	f.requireBacklog(t, topic, asyncevents.Backlog{Ready: 1})

	s := processed("e-1")
	s.Again = &asyncevents.Again{After: time.Hour, Metadata: message.Metadata{"k": "v"}}
	s.Attempts = 2
	require.NoError(t, f.Events.Settle(t.Context(), s))
	record := f.find(t, "e-1")
	assert.Equal(t, 2, record.Attempts)
	assert.WithinDuration(t, time.Now().Add(time.Hour), record.NextAttemptAt, time.Minute)
	f.requireBacklog(t, topic, asyncevents.Backlog{Ready: 1})
}

func settleWithoutRecord(t *testing.T, f *fixture) {
	require.NoError(t, f.Publisher.Publish(topic, message.NewMessage("stray", []byte("x"))))
	msg := receive(t, f.consume(t, topic, quick()))
	dead := entryOf(msg, asyncevents.EventsQueue, "boom")
	require.NoError(t, f.Events.Settle(settling(msg), asyncevents.Settlement{
		CorrelationID: "stray", Queue: asyncevents.EventsQueue,
		Status: asyncevents.StatusFailed, Attempts: 1, DeadLetter: &dead,
	}))
	f.requireEmpty(t, topic)
	assert.EqualValues(t, 1, f.stat(t, asyncevents.EventsQueue).Count)
	_, err := f.Events.Find(t.Context(), "stray")
	require.ErrorIs(t, err, asyncevents.ErrNotFound)
}

func settleAgain(t *testing.T, f *fixture) {
	const wait = 150 * time.Millisecond
	messages := f.consume(t, topic, quick())
	f.accept(t, "e-1", "{}")
	msg := receive(t, messages)
	metadata := message.Metadata{"own": "changed", retry.MetadataHistory: retry.History{attempt(1, "boom")}.String()}
	start := time.Now()
	require.NoError(t, f.Events.Settle(settling(msg), asyncevents.Settlement{
		CorrelationID: "e-1", Queue: asyncevents.EventsQueue, Attempts: 1, // the status stays
		Again: &asyncevents.Again{After: wait, Metadata: metadata},
	}))
	record := f.find(t, "e-1")
	assert.Equal(t, asyncevents.StatusQueued, record.Status)
	assert.Equal(t, 1, record.Attempts)
	assert.WithinDuration(t, start.Add(wait), record.NextAttemptAt, 5*time.Second)
	msg.Nack() // does nothing: it is settled

	again := receive(t, messages)
	assert.GreaterOrEqual(t, time.Since(start), wait, "the wait is a lower bound")
	assert.Equal(t, "changed", again.Metadata.Get("own"))
	delivery := retry.DeliveryOf(again)
	assert.Equal(t, 2, delivery.Attempt)
	assert.Equal(t, retry.History{attempt(1, "boom")}, delivery.History)
	again.Ack()
	f.requireEmpty(t, topic)
}

func settleDeadLetter(t *testing.T, f *fixture) {
	msg := f.deliver(t, "e-1")
	dead := entryOf(msg, asyncevents.EventsQueue, "boom")
	require.NoError(t, f.Events.Settle(settling(msg), asyncevents.Settlement{
		CorrelationID: "e-1", Queue: asyncevents.EventsQueue,
		Status: asyncevents.StatusFailed, Attempts: 5, DeadLetter: &dead,
	}))
	f.requireEmpty(t, topic)
	record := f.find(t, "e-1")
	assert.Equal(t, asyncevents.StatusFailed, record.Status)
	assert.Equal(t, 5, record.Attempts)
	entries := f.list(t, asyncevents.EventsQueue)
	require.Len(t, entries, 1)
	assert.Equal(t, "e-1", entries[0].MessageID)
	assert.Equal(t, "boom", entries[0].Failure.Message)
}

func settlePublishes(t *testing.T, f *fixture) {
	msg := f.deliver(t, "e-1")
	call := newMessage(`{"url":"https://example.com"}`)
	call.Metadata.Set(retry.MetadataCorrelationID, "e-1")
	s := processed("e-1")
	s.Callback, s.Publish, s.PublishTopic = asyncevents.CallbackPending, call, "callbacks"
	require.NoError(t, f.Events.Settle(settling(msg), s))
	f.requireEmpty(t, topic)
	assert.Equal(t, asyncevents.CallbackPending, f.find(t, "e-1").Callback.Status)

	sent := receive(t, f.consume(t, "callbacks", quick()))
	assert.Equal(t, call.UUID, sent.UUID)
	assert.Equal(t, string(call.Payload), string(sent.Payload))
	assert.Equal(t, "e-1", retry.DeliveryOf(sent).CorrelationID)
	sent.Ack()
}

// callback is an outcome of an attempt at a callback.
func callback(status asyncevents.CallbackStatus, attempts int) asyncevents.Settlement {
	return asyncevents.Settlement{
		CorrelationID: "e-1", Queue: asyncevents.CallbacksQueue, Callback: status, Attempts: attempts,
	}
}

func settleCallback(t *testing.T, f *fixture) {
	f.accept(t, "e-1", "{}")
	require.NoError(t, f.Events.Settle(t.Context(), processed("e-1")))
	before := f.find(t, "e-1")
	for i, status := range []asyncevents.CallbackStatus{asyncevents.CallbackFailed, asyncevents.CallbackDelivered} {
		require.NoError(t, f.Events.Settle(t.Context(), callback(status, i+1)))
		after := f.find(t, "e-1")
		assert.Equal(t, status, after.Callback.Status)
		assert.Equal(t, i+1, after.Callback.Attempts)
		assert.True(t, after.Callback.NextAttemptAt.IsZero())
		assert.False(t, after.Callback.UpdatedAt.IsZero())
		assert.Equal(t, before.Status, after.Status, "the event's own status is another matter")
		assert.Equal(t, before.Attempts, after.Attempts)
		assert.JSONEq(t, string(before.Response), string(after.Response))
	}
}

func settleCallbackAgain(t *testing.T, f *fixture) {
	f.accept(t, "e-1", "{}")
	s := processed("e-1")
	s.Callback, s.Publish, s.PublishTopic = asyncevents.CallbackPending, newMessage("{}"), "callbacks"
	require.NoError(t, f.Events.Settle(t.Context(), s))
	sent := receive(t, f.consume(t, "callbacks", quick()))
	again := callback(asyncevents.CallbackNone, 1) // what waits for another attempt has no new status
	again.Again = &asyncevents.Again{After: time.Hour, Metadata: sent.Metadata}
	require.NoError(t, f.Events.Settle(settling(sent), again))
	f.requireBacklog(t, "callbacks", asyncevents.Backlog{Delayed: 1})
	record := f.find(t, "e-1").Callback
	assert.Equal(t, asyncevents.CallbackPending, record.Status)
	assert.Equal(t, 1, record.Attempts)
	assert.WithinDuration(t, time.Now().Add(time.Hour), record.NextAttemptAt, time.Minute)
	assert.True(t, f.find(t, "e-1").NextAttemptAt.IsZero())
}

func settleAgainLate(t *testing.T, f *fixture) {
	again := &asyncevents.Again{After: time.Hour}
	f.accept(t, "e-1", "{}")
	done := processed("e-1")
	done.Attempts = 2
	require.NoError(t, f.Events.Settle(t.Context(), done))
	call := callback(asyncevents.CallbackDelivered, 2)
	require.NoError(t, f.Events.Settle(t.Context(), call))
	before := f.find(t, "e-1")
	late := asyncevents.Settlement{CorrelationID: "e-1", Queue: asyncevents.EventsQueue, Attempts: 1, Again: again}
	require.NoError(t, f.Events.Settle(t.Context(), late))
	late.Queue = asyncevents.CallbacksQueue
	require.NoError(t, f.Events.Settle(t.Context(), late))
	late.History = retry.History{attempt(1, "too late")}
	require.NoError(t, f.Events.Settle(t.Context(), late))
	late.Queue = asyncevents.EventsQueue
	require.NoError(t, f.Events.Settle(t.Context(), late))
	after := f.find(t, "e-1")
	after.UpdatedAt, after.Callback.UpdatedAt = before.UpdatedAt, before.Callback.UpdatedAt
	assert.Equal(t, before, after)
}

func settleHistory(t *testing.T, f *fixture) {
	first := retry.History{attempt(1, "'boom' {} \x00 \xff ü")}.String()
	history, err := retry.ParseHistory(first)
	require.NoError(t, err)
	f.accept(t, "e-1", "{}")
	f.accept(t, "e-2", "{}")
	assert.Empty(t, f.find(t, "e-1").History)
	settle := func(s asyncevents.Settlement) asyncevents.Record {
		require.NoError(t, f.Events.Settle(t.Context(), s))
		return f.find(t, "e-1")
	}

	again := &asyncevents.Again{After: time.Hour}
	s := asyncevents.Settlement{CorrelationID: "e-1", Queue: asyncevents.EventsQueue, Attempts: 1, Again: again, History: history}
	assert.Equal(t, history, settle(s).History)
	s.History = nil
	assert.Equal(t, history, settle(s).History, "an outcome without attempts leaves them as they are")
	done := processed("e-1")
	done.Attempts, done.History = 2, history.Append(attempt(2, ""))
	record := settle(done)
	assert.Equal(t, done.History, record.History)
	assert.Empty(t, record.Callback.History)

	call := callback(asyncevents.CallbackNone, 1)
	call.Again, call.History = again, history
	assert.Equal(t, history, settle(call).Callback.History)
	call = callback(asyncevents.CallbackDelivered, 2)
	call.History = history.Append(attempt(2, ""))
	record = settle(call)
	assert.Equal(t, call.History, record.Callback.History)
	assert.Equal(t, done.History, record.History)
	assert.Empty(t, f.find(t, "e-2").History)
}

// loseClaim returns a delivered message whose claim was lost, and the delivery that has it now.
func loseClaim(t *testing.T, f *fixture) (lost, present *message.Message) {
	t.Helper()
	messages := f.consume(t, topic, forgetful())
	f.accept(t, "e-1", "{}")
	lost = receive(t, messages)
	present = receive(t, messages)
	require.Equal(t, lost.UUID, present.UUID)
	return lost, present
}

func settleLost(t *testing.T, f *fixture) {
	lost, _ := loseClaim(t, f)
	dead := entryOf(lost, asyncevents.EventsQueue, "boom")
	s := processed("e-1")
	s.Callback, s.Publish, s.PublishTopic = asyncevents.CallbackPending, newMessage("{}"), "callbacks"
	s.DeadLetter = &dead
	require.ErrorIs(t, f.Events.Settle(settling(lost), s), asyncevents.ErrNotHeld)
	require.ErrorIs(t, f.DeadLetters.Add(settling(lost), dead), dlq.ErrNotHeld)
	assert.Equal(t, asyncevents.StatusQueued, f.find(t, "e-1").Status)
	assert.Zero(t, f.stat(t, asyncevents.EventsQueue).Count)
	f.requireEmpty(t, "callbacks")
}

// settleTogether settles a message for two claims at once, among others, so that a store may do it in one step.
func settleTogether(t *testing.T, f *fixture, change func(*asyncevents.Settlement)) {
	lost, present := loseClaim(t, f)
	late, timely := processed("e-1"), processed("e-1")
	late.Status = asyncevents.StatusError
	change(&late)
	change(&timely)
	begin := make(chan struct{})
	var others sync.WaitGroup
	settle := func(ctx context.Context, s asyncevents.Settlement) <-chan error {
		answer := make(chan error, 1)
		others.Go(func() {
			<-begin
			answer <- f.Events.Settle(ctx, s)
		})
		return answer
	}
	var unheard []<-chan error
	for i := range 60 {
		unheard = append(unheard, settle(t.Context(), processed(fmt.Sprint("none-", i))))
	}
	lateAnswer, timelyAnswer := settle(settling(lost), late), settle(settling(present), timely)
	close(begin)
	others.Wait()
	for _, answer := range unheard {
		require.NoError(t, <-answer)
	}
	require.ErrorIs(t, <-lateAnswer, asyncevents.ErrNotHeld)
	require.NoError(t, <-timelyAnswer)
	assert.Equal(t, asyncevents.StatusProcessed, f.find(t, "e-1").Status)
}

func settleTwice(t *testing.T, f *fixture) {
	msg := f.deliver(t, "e-1")
	require.NoError(t, f.Events.Settle(settling(msg), processed("e-1")))
	second := processed("e-1")
	second.Status = asyncevents.StatusError
	require.ErrorIs(t, f.Events.Settle(settling(msg), second), asyncevents.ErrNotHeld)
	require.ErrorIs(t, f.DeadLetters.Add(settling(msg), entryOf(msg, asyncevents.EventsQueue, "boom")), dlq.ErrNotHeld)
	assert.Equal(t, asyncevents.StatusProcessed, f.find(t, "e-1").Status)
	assert.Zero(t, f.stat(t, asyncevents.EventsQueue).Count)
}

// settleEndedContext accepts both answers that a store may give, but nothing in between.
func settleEndedContext(t *testing.T, f *fixture) {
	msg := f.deliver(t, "e-1")
	ctx, cancel := context.WithCancel(settling(msg))
	cancel()
	if err := f.Events.Settle(ctx, processed("e-1")); err != nil {
		assert.Equal(t, asyncevents.StatusQueued, f.find(t, "e-1").Status)
		require.NoError(t, f.Events.Settle(settling(msg), processed("e-1")), "the claim still stands")
	}
	assert.Equal(t, asyncevents.StatusProcessed, f.find(t, "e-1").Status)
	f.requireEmpty(t, topic)
}
