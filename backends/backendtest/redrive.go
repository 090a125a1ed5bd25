package backendtest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/retry"
)

var redriveCases = []testCase{
	{"puts the message back on its topic", redriveMessage},
	{"one entry 100 times at once moves it once", redriveOnce},
	{"the oldest first, up to the bound", redriveOldest},
	{"in batches while entries fail again", redriveBatches},
	{"keeps the history through three rounds", redriveRounds},
	{"sets the status of the event", redriveStatus},
	{"sets the status of the callback", redriveCallback},
	{"counts for its retry job", redriveJob},
	{"with another payload, and keeps the first", redriveEdited},
}

func redriveMessage(t *testing.T, f *fixture) {
	messages := f.consume(t, "elsewhere", quick())
	dead := entry(deadQueue, "m-1")
	dead.Topic, dead.CorrelationID, dead.Redrives = "elsewhere", "e-1", 2
	dead.AcceptedAt = time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	dead.Metadata[retry.MetadataCorrelationID] = "e-1"
	dead.Metadata[retry.MetadataAcceptedAt] = dead.AcceptedAt.Format(time.RFC3339Nano)
	require.NoError(t, f.DeadLetters.Add(t.Context(), dead))
	stored := f.list(t, deadQueue)

	redriven, err := f.DeadLetters.Redrive(t.Context(), dlq.RedriveParams{Queue: deadQueue, Selection: dlq.Selection{IDs: []int64{stored[0].ID, stored[0].ID, stored[0].ID + 100}}, Full: true})
	require.NoError(t, err)
	assert.Equal(t, dlq.Redriven{Moved: 1, Entries: stored}, redriven)
	assert.Equal(t, dlq.Stats{Queue: deadQueue}, f.stat(t, deadQueue))

	msg := receive(t, messages)
	assert.Equal(t, "m-1", msg.UUID)
	assert.Equal(t, string(dead.Payload), string(msg.Payload))
	assert.Equal(t, "blau", msg.Metadata.Get("colour"))
	assert.Equal(t, retry.Delivery{
		Attempt: 1, Redrives: 3, History: dead.Attempts, AcceptedAt: dead.AcceptedAt, CorrelationID: "e-1",
	}, justRedriven(t, msg))
	msg.Ack()
	f.requireEmpty(t, "elsewhere")
}

// justRedriven is the delivery of a message that was moved back just now, without that time.
func justRedriven(t *testing.T, msg *message.Message) retry.Delivery {
	t.Helper()
	delivery := retry.DeliveryOf(msg)
	assert.WithinDuration(t, time.Now(), delivery.RedrivenAt, time.Minute)
	delivery.RedrivenAt = time.Time{}
	return delivery
}

func redriveOnce(t *testing.T, f *fixture) {
	one := f.bury(t, deadQueue, "m-1")
	var moved atomic.Int64
	var group sync.WaitGroup
	for range 100 {
		group.Go(func() {
			redriven, err := f.DeadLetters.Redrive(t.Context(), dlq.RedriveParams{Queue: deadQueue, Selection: dlq.Selection{IDs: []int64{one.ID}}, Full: true})
			assert.NoError(t, err)
			assert.Len(t, redriven.Entries, int(redriven.Moved))
			moved.Add(redriven.Moved)
		})
	}
	group.Wait()
	assert.EqualValues(t, 1, moved.Load())
	f.requireBacklog(t, topic, asyncevents.Backlog{Ready: 1})
}

func redriveOldest(t *testing.T, f *fixture) {
	ids := f.buryMany(t, deadQueue, 10)
	for _, step := range []struct {
		upTo        int64
		limit       int
		moved, left int64
	}{{ids[9], 3, 3, 7}, {ids[4], 100, 2, 5}, {ids[4], 100, 0, 5}, {ids[9], 4, 4, 1}} {
		redriven, err := f.DeadLetters.Redrive(t.Context(), dlq.RedriveParams{Queue: deadQueue, Selection: dlq.Selection{UpTo: step.upTo, Limit: step.limit}})
		require.NoError(t, err)
		assert.Equal(t, dlq.Redriven{Moved: step.moved}, redriven)
		assert.Equal(t, ids[10-step.left:], idsOf(f.list(t, deadQueue)))
	}
	f.requireBacklog(t, topic, asyncevents.Backlog{Ready: 9})
}

func redriveBatches(t *testing.T, f *fixture) {
	const total, batch = 35, 10
	f.buryMany(t, deadQueue, total)
	bound := f.stat(t, deadQueue).Newest
	messages := f.consume(t, topic, quick())
	var moved int64
	for {
		redriven, err := f.DeadLetters.Redrive(t.Context(), dlq.RedriveParams{Queue: deadQueue, Selection: dlq.Selection{UpTo: bound, Limit: batch}})
		require.NoError(t, err)
		moved += redriven.Moved
		for range redriven.Moved {
			msg := receive(t, messages)
			require.NoError(t, f.DeadLetters.Add(settling(msg), entryOf(msg, deadQueue, "again")))
			msg.Ack()
		}
		if redriven.Moved < batch {
			break
		}
	}
	assert.EqualValues(t, total, moved, "those that failed again have ids above the bound")
	entries := f.list(t, deadQueue)
	require.Len(t, entries, total)
	for _, e := range entries {
		assert.Greater(t, e.ID, bound)
		assert.Equal(t, 1, e.Redrives)
	}
	f.requireEmpty(t, topic)
}

func redriveRounds(t *testing.T, f *fixture) {
	require.NoError(t, f.Publisher.Publish(topic, message.NewMessage("m-1", []byte("x"))))
	messages := f.consume(t, topic, quick())
	for round := range 3 {
		for n := 1; n <= 2; n++ {
			msg := receive(t, messages)
			delivery := retry.DeliveryOf(msg)
			assert.Equal(t, n, delivery.Attempt, "each round has a budget of its own")
			assert.Equal(t, round, delivery.Redrives)
			assert.Len(t, delivery.History, 2*round+n-1)
			reason := fmt.Sprintf("round %d attempt %d", round, n)
			dead := entryOf(msg, deadQueue, reason)
			if n == 2 {
				require.NoError(t, f.DeadLetters.Add(settling(msg), dead))
				msg.Ack()
				continue
			}
			msg.Metadata.Set(retry.MetadataHistory, dead.Attempts.String())
			msg.Nack()
		}
		entries := f.list(t, deadQueue)
		require.Len(t, entries, 1)
		assert.Len(t, entries[0].Attempts, 2*round+2)
		assert.Equal(t, "round 0 attempt 1", entries[0].Attempts[0].Error, "the first reason stays")
		assert.Equal(t, round, entries[0].Redrives)
		_, err := f.DeadLetters.Redrive(t.Context(), dlq.RedriveParams{Queue: deadQueue, Selection: dlq.Selection{UpTo: entries[0].ID, Limit: 1}})
		require.NoError(t, err)
	}
	f.requireBacklog(t, topic, asyncevents.Backlog{InFlight: 1})
}

func redriveStatus(t *testing.T, f *fixture) {
	messages := f.consume(t, topic, quick())
	f.accept(t, "e-1", "{}")
	msg := receive(t, messages)
	dead := entryOf(msg, deadQueue, "boom")
	require.NoError(t, f.Events.Settle(settling(msg), asyncevents.Settlement{
		CorrelationID: "e-1", Queue: asyncevents.EventsQueue,
		Status: asyncevents.StatusFailed, Attempts: 5, DeadLetter: &dead,
	}))
	msg.Ack()
	f.accept(t, "e-2", "{}")
	_, err := f.DeadLetters.Redrive(t.Context(), dlq.RedriveParams{Queue: deadQueue, Selection: dlq.Selection{UpTo: 1 << 60, Limit: 10}})
	require.NoError(t, err)
	record := f.find(t, "e-1")
	assert.Equal(t, asyncevents.StatusRetried, record.Status)
	assert.Equal(t, 5, record.Attempts)
	assert.True(t, record.Callback.RedrivenAt.IsZero())
	for range 2 {
		msg := receive(t, messages)
		if msg.UUID == "e-1" {
			assert.Equal(t, record.RedrivenAt, retry.DeliveryOf(msg).RedrivenAt, "the record and the message agree")
		}
		msg.Ack()
	}
	assert.True(t, record.NextAttemptAt.IsZero())
	assert.Equal(t, asyncevents.StatusQueued, f.find(t, "e-2").Status)
}

func redriveCallback(t *testing.T, f *fixture) {
	f.accept(t, "e-1", "{}")
	require.NoError(t, f.Events.Settle(t.Context(), processed("e-1")))
	dead := entry(asyncevents.CallbacksQueue, "c-1")
	dead.CorrelationID = "e-1"
	s := callback(asyncevents.CallbackFailed, 5)
	s.DeadLetter = &dead
	require.NoError(t, f.Events.Settle(t.Context(), s))
	assert.Equal(t, asyncevents.CallbackFailed, f.find(t, "e-1").Callback.Status)
	_, err := f.DeadLetters.Redrive(t.Context(), dlq.RedriveParams{Queue: asyncevents.CallbacksQueue, Selection: dlq.Selection{UpTo: 1 << 60, Limit: 10}})
	require.NoError(t, err)
	record := f.find(t, "e-1")
	assert.Equal(t, asyncevents.CallbackPending, record.Callback.Status)
	assert.Equal(t, 5, record.Callback.Attempts)
	assert.WithinDuration(t, time.Now(), record.Callback.RedrivenAt, time.Minute)
	assert.True(t, record.RedrivenAt.IsZero())
	assert.Equal(t, asyncevents.StatusProcessed, record.Status)
}

func redriveJob(t *testing.T, f *fixture) {
	ids := f.buryMany(t, deadQueue, 10)
	require.NoError(t, f.Jobs.Start(t.Context(), job("j-1", deadQueue)))
	require.NoError(t, f.Jobs.Start(t.Context(), job("j-2", "other")))
	for _, name := range []string{"j-1", "j-1", "", "j-2", "j-0"} {
		_, err := f.DeadLetters.Redrive(t.Context(), dlq.RedriveParams{Queue: deadQueue, Selection: dlq.Selection{UpTo: ids[8], Limit: 2}, Job: name})
		require.NoError(t, err)
	}
	got, err := f.Jobs.Job(t.Context(), deadQueue)
	require.NoError(t, err)
	assert.EqualValues(t, 4, got.Moved)
	assert.EqualValues(t, 4, got.BatchMoved)
	other, err := f.Jobs.Job(t.Context(), "other")
	require.NoError(t, err)
	assert.Zero(t, other.Moved, "that job is of another DLQ")
}

func redriveEdited(t *testing.T, f *fixture) {
	const kept = "kept"
	messages := f.consume(t, topic, quick())
	others := []dlq.Entry{f.bury(t, deadQueue, "m-0"), f.bury(t, deadQueue, "m-2")}
	first := f.bury(t, deadQueue, "m-1")
	for round, payload := range []string{`{"edited":1}`, ""} {
		stood := f.list(t, deadQueue)[2]
		params := dlq.RedriveParams{
			Queue: deadQueue, Selection: dlq.Selection{IDs: []int64{stood.ID}}, Full: true,
			Edit: &dlq.Edit{Payload: []byte(payload), Kept: kept},
		}
		redriven, err := f.DeadLetters.Redrive(t.Context(), params)
		require.NoError(t, err)
		require.EqualValues(t, 1, redriven.Moved)
		assert.Equal(t, payload, string(redriven.Entries[0].Payload))
		again, err := f.DeadLetters.Redrive(t.Context(), params)
		require.NoError(t, err)
		assert.Zero(t, again.Moved, "it is gone")

		msg := receive(t, messages)
		assert.Equal(t, "m-1", msg.UUID)
		assert.Equal(t, payload, string(msg.Payload))
		assert.Equal(t, round+1, retry.DeliveryOf(msg).Redrives)
		assert.Equal(t, first.Attempts, retry.DeliveryOf(msg).History)
		dead := dlq.EntryOf(msg, deadQueue, first.Failure)
		dead.Topic = topic
		require.NoError(t, f.DeadLetters.Add(msg.Context(), dead))
		msg.Ack()

		originals := f.list(t, kept)
		require.Len(t, originals, 1)
		assert.Equal(t, string(first.Payload), string(originals[0].Payload))
		assert.Equal(t, first.Failure, originals[0].Failure)
		assert.Equal(t, first.MessageID, originals[0].MessageID)
		assert.EqualValues(t, 1, f.stat(t, kept).Count)
	}
	assert.Equal(t, others, f.list(t, deadQueue)[:2])
}
