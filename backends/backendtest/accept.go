package backendtest

import (
	"crypto/sha256"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/retry"
)

var acceptCases = []testCase{
	{"records the event", acceptRecords},
	{"publishes the message", acceptPublishes},
	{"knows the event again", acceptKnows},
	{"makes one event of calls at the same time", acceptConcurrently},
	{"takes any body", acceptAnyBody},
	{"takes many together", acceptTogether},
	{"without a message records the event only", acceptRecordOnly},
	{"without a message knows the event again", acceptRecordOnlyKnows},
	{"with and without messages at the same time", acceptMixed},
	{"unknown event is not found", findUnknown},
}

func acceptRecords(t *testing.T, f *fixture) {
	a := acceptance("e-1", `{"a":1}`)
	receipt, err := f.Events.Accept(t.Context(), a)
	require.NoError(t, err)
	assert.False(t, receipt.Known)

	record := f.find(t, "e-1")
	assert.Equal(t, "e-1", record.CorrelationID)
	assert.Equal(t, a.BodyHash, record.BodyHash)
	assert.Equal(t, asyncevents.StatusQueued, record.Status)
	assert.Zero(t, record.Attempts)
	assert.True(t, record.NextAttemptAt.IsZero())
	assert.Nil(t, record.Response)
	assert.Equal(t, asyncevents.CallbackRecord{}, record.Callback)
	assert.WithinDuration(t, a.AcceptedAt, record.CreatedAt, time.Millisecond)
	assert.WithinDuration(t, a.AcceptedAt, record.UpdatedAt, time.Minute)
}

func acceptPublishes(t *testing.T, f *fixture) {
	a := acceptance("e-1", `{"a":1}`)
	a.Message.Metadata.Set("traceparent", "00-1-2-01")
	_, err := f.Events.Accept(t.Context(), a)
	require.NoError(t, err)

	msg := receive(t, f.consume(t, topic, quick()))
	assert.Equal(t, "e-1", msg.UUID)
	assert.JSONEq(t, `{"a":1}`, string(msg.Payload))
	assert.Equal(t, "00-1-2-01", msg.Metadata.Get("traceparent"))
	delivery := retry.DeliveryOf(msg)
	assert.Equal(t, 1, delivery.Attempt)
	assert.WithinDuration(t, a.AcceptedAt, delivery.AcceptedAt, 0)
	msg.Ack()
	f.requireEmpty(t, topic)
}

func acceptKnows(t *testing.T, f *fixture) {
	f.accept(t, "e-1", "first")
	for _, body := range []string{"first", "another"} {
		receipt, err := f.Events.Accept(t.Context(), acceptance("e-1", body))
		require.NoError(t, err)
		assert.True(t, receipt.Known)
		assert.Equal(t, sha256.Sum256([]byte("first")), receipt.BodyHash)
		assert.Equal(t, asyncevents.StatusQueued, receipt.Status)
	}
	f.requireBacklog(t, topic, asyncevents.Backlog{Ready: 1})
}

func acceptConcurrently(t *testing.T, f *fixture) {
	var fresh atomic.Int64
	var group sync.WaitGroup
	for range 100 {
		group.Go(func() {
			receipt, err := f.Events.Accept(t.Context(), acceptance("e-1", "{}"))
			assert.NoError(t, err)
			if !receipt.Known {
				fresh.Add(1)
			}
			other, err := f.Events.Accept(t.Context(), acceptance(watermill.NewUUID(), "{}"))
			assert.NoError(t, err)
			assert.False(t, other.Known)
		})
	}
	group.Wait()
	assert.EqualValues(t, 1, fresh.Load())
	f.requireBacklog(t, topic, asyncevents.Backlog{Ready: 101})
}

func acceptTogether(t *testing.T, f *fixture) {
	f.accept(t, "old", "first")
	batch := []asyncevents.Acceptance{
		acceptance("z", "{}"), acceptance("old", "another"), acceptance("a", "{}"), recordOnly("only", "{}"), acceptance("z", "[]"),
	}
	for round := range 2 {
		receipts, err := f.Events.AcceptAll(t.Context(), batch)
		require.NoError(t, err)
		require.Len(t, receipts, len(batch))
		for i, known := range []bool{round > 0, true, round > 0, round > 0, true} {
			assert.Equal(t, known, receipts[i].Known, i)
		}
		assert.Equal(t, sha256.Sum256([]byte("first")), receipts[1].BodyHash)
		assert.Equal(t, sha256.Sum256([]byte("{}")), receipts[4].BodyHash)
		assert.Equal(t, asyncevents.StatusQueued, receipts[4].Status)
	}
	receipts, err := f.Events.AcceptAll(t.Context(), nil)
	require.NoError(t, err)
	assert.Empty(t, receipts)
	f.requireBacklog(t, topic, asyncevents.Backlog{Ready: 3})
}

func acceptAnyBody(t *testing.T, f *fixture) {
	for name, body := range odd() {
		f.accept(t, name, string(body))
	}
	messages := f.consume(t, topic, quick())
	for range odd() {
		msg := receive(t, messages)
		assert.Equal(t, string(odd()[msg.UUID]), string(msg.Payload), msg.UUID)
		msg.Ack()
	}
}

func acceptRecordOnly(t *testing.T, f *fixture) {
	a := recordOnly("e-1", "{}")
	receipt, err := f.Events.Accept(t.Context(), a)
	require.NoError(t, err)
	assert.False(t, receipt.Known)
	record := f.find(t, "e-1")
	assert.Equal(t, a.BodyHash, record.BodyHash)
	assert.Equal(t, asyncevents.StatusQueued, record.Status)
	assert.WithinDuration(t, a.AcceptedAt, record.CreatedAt, time.Millisecond)
	f.requireEmpty(t, topic)
	f.requireEmpty(t, "")

	require.NoError(t, f.Events.Settle(t.Context(), processed("e-1")))
	record = f.find(t, "e-1")
	assert.Equal(t, asyncevents.StatusProcessed, record.Status)
	assert.Equal(t, 1, record.Attempts)
}

func acceptRecordOnlyKnows(t *testing.T, f *fixture) {
	for _, a := range []asyncevents.Acceptance{recordOnly("recorded", "first"), acceptance("published", "first")} {
		_, err := f.Events.Accept(t.Context(), a)
		require.NoError(t, err)
		for _, again := range []asyncevents.Acceptance{
			recordOnly(a.CorrelationID, "another"), acceptance(a.CorrelationID, "another"),
		} {
			receipt, err := f.Events.Accept(t.Context(), again)
			require.NoError(t, err)
			want := asyncevents.Receipt{Known: true, BodyHash: a.BodyHash, Status: asyncevents.StatusQueued}
			assert.Equal(t, want, receipt)
		}
	}
	f.requireBacklog(t, topic, asyncevents.Backlog{Ready: 1})
}

func acceptMixed(t *testing.T, f *fixture) {
	const callers = 100
	var fresh atomic.Int64
	accept := func(a asyncevents.Acceptance) {
		receipt, err := f.Events.Accept(t.Context(), a)
		assert.NoError(t, err)
		if !receipt.Known {
			fresh.Add(1)
		}
	}
	elsewhere := func(id string) asyncevents.Acceptance {
		a := acceptance(id, "{}")
		a.Topic = "elsewhere"
		return a
	}
	var group sync.WaitGroup
	for range callers {
		group.Go(func() {
			accept(recordOnly(watermill.NewUUID(), "{}"))
			accept(acceptance(watermill.NewUUID(), "{}"))
			accept(recordOnly("e-1", "{}"))
			accept(elsewhere(watermill.NewUUID()))
		})
	}
	group.Wait()
	assert.EqualValues(t, 3*callers+1, fresh.Load())
	f.requireBacklog(t, topic, asyncevents.Backlog{Ready: callers})
	f.requireBacklog(t, "elsewhere", asyncevents.Backlog{Ready: callers})
	f.requireEmpty(t, "")
	assert.Equal(t, asyncevents.StatusQueued, f.find(t, "e-1").Status)
}

func findUnknown(t *testing.T, f *fixture) {
	f.accept(t, "e-1", "{}")
	for _, id := range []string{"", "e", "e-2", "E-1", "e-1 "} {
		_, err := f.Events.Find(t.Context(), id)
		require.ErrorIs(t, err, asyncevents.ErrNotFound, id)
	}
}
