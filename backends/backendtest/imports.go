package backendtest

import (
	"bytes"
	"fmt"
	"iter"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/export"
	"github.com/redrive-go/redrive/retry"
)

var importCases = []testCase{
	{"what was exported comes back into its DLQ, once", importEntries},
	{"what was exported comes back as messages", importMessages},
}

// exportAndErase returns the DLQ as a file, and empties it.
func (f *fixture) exportAndErase(t *testing.T) []byte {
	t.Helper()
	var file bytes.Buffer
	err := f.DeadLetters.Snapshot(t.Context(), deadQueue, func(stats dlq.Stats, entries iter.Seq2[dlq.Entry, error]) error {
		_, err := export.WriteNDJSON(&file, deadQueue, stats.Count, entries, nil)
		return err
	})
	require.NoError(t, err)
	_, err = f.manager().Erase(t.Context(), deadQueue, dlq.Filter{}, f.stat(t, deadQueue).Count)
	require.NoError(t, err)
	return file.Bytes()
}

func (f *fixture) manager() *dlq.Manager {
	return dlq.NewManager(f.DeadLetters, slog.New(slog.DiscardHandler))
}

func (f *fixture) importFile(t *testing.T, file []byte, redrive bool) dlq.Imported {
	t.Helper()
	params := dlq.ImportParams{Queue: deadQueue, Redrive: redrive}
	done, err := f.manager().Import(t.Context(), params, export.Read(bytes.NewReader(file)))
	require.NoError(t, err)
	return done
}

func importEntries(t *testing.T, f *fixture) {
	for name, payload := range odd() {
		dead := entry(deadQueue, "m-"+name)
		dead.Payload, dead.CorrelationID, dead.Redrives = payload, "e-"+name, 2
		dead.AcceptedAt = time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
		require.NoError(t, f.DeadLetters.Add(t.Context(), dead))
	}
	before := f.list(t, deadQueue)
	file := f.exportAndErase(t)
	count := int64(len(before))
	assert.Equal(t, dlq.Imported{Imported: count}, f.importFile(t, file, false))
	assert.Equal(t, dlq.Imported{Skipped: count}, f.importFile(t, file, false))
	after := f.list(t, deadQueue)
	require.Len(t, after, len(before))
	for i, got := range after {
		assert.Greater(t, got.ID, before[len(before)-1].ID)
		got.ID, got.CreatedAt = before[i].ID, before[i].CreatedAt
		got.Metadata = before[i].Metadata // some stores show in it what has a field of its own
		assert.Equal(t, before[i], got)
	}
}

func importMessages(t *testing.T, f *fixture) {
	const n = 120 // more than are imported at a time
	messages := f.consume(t, topic, quick())
	accepted := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	for i := range n {
		dead := entry(deadQueue, fmt.Sprintf("m-%03d", i))
		dead.CorrelationID, dead.Redrives, dead.AcceptedAt = fmt.Sprintf("e-%03d", i), 2, accepted
		require.NoError(t, f.DeadLetters.Add(t.Context(), dead))
	}
	assert.Equal(t, dlq.Imported{Imported: n}, f.importFile(t, f.exportAndErase(t), true))
	assert.Zero(t, f.stat(t, deadQueue).Count)
	seen := map[string]bool{}
	for range n {
		msg := receive(t, messages)
		seen[msg.UUID] = true
		assert.Equal(t, "blau", msg.Metadata.Get("colour"))
		assert.JSONEq(t, `{"id":"`+msg.UUID+`"}`, string(msg.Payload))
		assert.Equal(t, retry.Delivery{
			Attempt: 1, Redrives: 3, History: retry.History{attempt(1, "boom")}, AcceptedAt: accepted,
			CorrelationID: "e" + msg.UUID[1:],
		}, justRedriven(t, msg))
		msg.Ack()
	}
	assert.Len(t, seen, n)
	f.requireEmpty(t, topic)
}
