package dlq_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/retry"
)

// once is a fake that keeps to what a Store promises of Add.
type once struct{ fake }

func (o *once) Add(ctx context.Context, entry dlq.Entry) error {
	for _, e := range o.all() {
		if e.Queue == entry.Queue && e.MessageID == entry.MessageID {
			return ctx.Err()
		}
	}
	return o.fake.Add(ctx, entry)
}

// exported are n entries of the queue "events", as an export has them.
func exported(n int) []dlq.Entry {
	entries := make([]dlq.Entry, n)
	for i := range entries {
		entries[i] = dlq.Entry{
			ID: int64(1000 + i), Queue: "events", Topic: "redrive.events", MessageID: fmt.Sprint("m", i),
			CorrelationID: fmt.Sprint("c", i), AcceptedAt: entryTime, CreatedAt: entryTime, Payload: []byte{byte(i)},
			Metadata: map[string]string{"tenant": "a"}, Failure: dlq.Failure{Type: "timeout", Message: "took too long"},
			Attempts: retry.History{{Number: 5, Error: "took too long"}}, Redrives: 2,
		}
	}
	return entries
}

// then are entries, and an error if it is not nil.
func then(entries []dlq.Entry, err error) iter.Seq2[dlq.Entry, error] {
	return func(yield func(dlq.Entry, error) bool) {
		for _, entry := range entries {
			if !yield(entry, nil) {
				return
			}
		}
		if err != nil {
			yield(dlq.Entry{}, err)
		}
	}
}

func TestImportIntoTheDLQ(t *testing.T) {
	t.Parallel()
	store := &once{}
	store.fill(t, 3)
	m := dlq.NewManager(store, quiet)
	entries := exported(250)
	done, err := m.Import(t.Context(), dlq.ImportParams{Queue: "events"}, then(entries, nil))
	require.NoError(t, err)
	assert.Equal(t, dlq.Imported{Imported: 250}, done)
	got := store.all()[3]
	want := entries[0]
	want.ID = got.ID
	want.Metadata = map[string]string{"tenant": "a", retry.MetadataCorrelationID: "c0",
		retry.MetadataAcceptedAt: entryTime.UTC().Format(time.RFC3339Nano)}
	assert.Equal(t, want, got, "with all that it had")

	again := append(exported(250), exported(251)[250], exported(251)[250])
	done, err = m.Import(t.Context(), dlq.ImportParams{Queue: "events"}, then(again, nil))
	require.NoError(t, err)
	assert.Equal(t, dlq.Imported{Imported: 1, Skipped: 251}, done, "twice adds nothing")
	assert.Len(t, store.all(), 254)
	assert.Empty(t, store.redrives)

	done, err = m.Import(t.Context(), dlq.ImportParams{Queue: "events"}, then(nil, nil))
	require.NoError(t, err)
	assert.Zero(t, done)
}

func TestImportIntoTheMainQueue(t *testing.T) {
	t.Parallel()
	store := &once{}
	store.fill(t, 2)
	entries := exported(150)
	for _, standing := range entries[:2] {
		require.NoError(t, store.Add(t.Context(), standing))
	}
	entries[0].ID = store.all()[2].ID // it stands where it stood when it was exported; the other does not
	entries[2].ID = store.all()[0].ID // another message stands there now
	m := dlq.NewManager(store, quiet)
	done, err := m.Import(t.Context(), dlq.ImportParams{Queue: "events", Redrive: true}, then(entries, nil))
	require.NoError(t, err)
	assert.Equal(t, dlq.Imported{Imported: 149, Skipped: 1}, done)
	var left []string
	for _, entry := range store.all()[2:] {
		left = append(left, entry.MessageID)
	}
	assert.Equal(t, []string{"m1"}, left, "and the two that were there before")
	require.Len(t, store.redrives, 2)
	assert.Len(t, store.redrives[0].IDs, 99)
	assert.IsIncreasing(t, store.redrives[0].IDs)
}

func TestImportSetsTopicAndLimits(t *testing.T) {
	t.Parallel()
	store := &once{}
	entry := exported(1)[0]
	entry.Topic, entry.CorrelationID, entry.AcceptedAt = "elsewhere", "", time.Time{}
	entry.Failure.Message = strings.Repeat("x", 5000)
	entry.Attempts = make(retry.History, 500)
	entry.Attempts[499].Error = strings.Repeat("x", 5000)
	entry.Metadata = map[string]string{retry.MetadataAttempt: "9", retry.MetadataHistory: "x", retry.MetadataPrefix + "failure": "{}"}
	m := dlq.NewManager(store, quiet)
	_, err := m.Import(t.Context(), dlq.ImportParams{Queue: "events", Topic: "redrive.events"}, then([]dlq.Entry{entry}, nil))
	require.NoError(t, err)
	got := store.all()[0]
	assert.Equal(t, "redrive.events", got.Topic)
	assert.Equal(t, "m0", got.CorrelationID)
	assert.Len(t, got.Failure.Message, retry.MaxErrorText)
	assert.Len(t, got.Attempts, retry.MaxHistory)
	assert.Len(t, got.Attempts[99].Error, retry.MaxErrorText)
	assert.Equal(t, map[string]string{retry.MetadataCorrelationID: "m0"}, got.Metadata)
	assert.Len(t, entry.Metadata, 3, "the caller's stays as it is")
}

func TestImportRefusesEntries(t *testing.T) {
	t.Parallel()
	for reason, spoil := range map[string]func(*dlq.Entry){
		"of the queue":   func(e *dlq.Entry) { e.Queue = "callbacks" },
		"message_id":     func(e *dlq.Entry) { e.MessageID = "" },
		"no id":          func(e *dlq.Entry) { e.MessageID = strings.Repeat("x", 256) },
		"correlation_id": func(e *dlq.Entry) { e.CorrelationID = "a\x00b" },
		"topic":          func(e *dlq.Entry) { e.Topic = "\xff" },
		"redrives":       func(e *dlq.Entry) { e.Redrives = -1 },
	} {
		store := &once{}
		entries := exported(130)
		spoil(&entries[120])
		done, err := dlq.NewManager(store, quiet).Import(t.Context(), dlq.ImportParams{Queue: "events"}, then(entries, nil))
		var bad *dlq.BadEntryError
		require.ErrorAs(t, err, &bad, reason)
		assert.EqualValues(t, 121, bad.Number)
		assert.Contains(t, bad.Reason, reason)
		assert.Equal(t, dlq.Imported{Imported: 120}, done, "what came before is imported")
		assert.Len(t, store.all(), 120)
	}
}

// failingStore is a store that fails after some Adds.
type failingStore struct {
	once
	left int
}

func (f *failingStore) Add(ctx context.Context, entry dlq.Entry) error {
	if f.left--; f.left < 0 {
		return errAway
	}
	return f.once.Add(ctx, entry)
}

func TestImportTellsHowFarItCame(t *testing.T) {
	t.Parallel()
	errBroken := errors.New("broken off")
	store := &once{}
	done, err := dlq.NewManager(store, quiet).Import(t.Context(), dlq.ImportParams{Queue: "events"}, then(exported(7), errBroken))
	require.ErrorIs(t, err, errBroken)
	assert.Equal(t, dlq.Imported{Imported: 7}, done)

	failing := &failingStore{left: 120}
	done, err = dlq.NewManager(failing, quiet).Import(t.Context(), dlq.ImportParams{Queue: "events", Redrive: true}, then(exported(150), nil))
	require.ErrorIs(t, err, errAway)
	assert.Equal(t, dlq.Imported{Imported: 120}, done)
	assert.Empty(t, failing.all(), "what was added was moved on")

	store.away = true
	done, err = dlq.NewManager(store, quiet).Import(t.Context(), dlq.ImportParams{Queue: "events"}, then(exported(7), errBroken))
	require.ErrorIs(t, err, errAway)
	assert.Zero(t, done)
}

func TestImportEndsBetweenChunks(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	store := &once{}
	done, err := dlq.NewManager(store, quiet).Import(ctx, dlq.ImportParams{Queue: "events"},
		func(yield func(dlq.Entry, error) bool) {
			for i, entry := range exported(250) {
				if i == 150 {
					cancel()
				}
				if !yield(entry, nil) {
					return
				}
			}
		})
	require.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, dlq.Imported{Imported: 100}, done)
	assert.Len(t, store.all(), 100)
}
