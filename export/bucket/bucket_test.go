package bucket_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"
	"gocloud.dev/blob/memblob"

	"github.com/redrive-go/redrive/backends/memory"
	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/export"
	"github.com/redrive-go/redrive/export/bucket"
	"github.com/redrive-go/redrive/export/storagetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// kinds are the buckets that need no cloud.
var kinds = map[string]func(*testing.T) *blob.Bucket{
	"memory": func(*testing.T) *blob.Bucket { return memblob.OpenBucket(nil) },
	"folder": func(t *testing.T) *blob.Bucket {
		opened, err := fileblob.OpenBucket(t.TempDir(), nil)
		require.NoError(t, err)
		return opened
	},
	"prefixed": func(*testing.T) *blob.Bucket { return blob.PrefixedBucket(memblob.OpenBucket(nil), "exports/") },
}

// open opens a bucket for a test.
func open(t *testing.T, kind func(*testing.T) *blob.Bucket) *blob.Bucket {
	t.Helper()
	opened := kind(t)
	t.Cleanup(func() { assert.NoError(t, opened.Close()) })
	return opened
}

func TestStorage(t *testing.T) {
	t.Parallel()
	for name, kind := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storagetest.Run(t, func(t *testing.T) export.Storage { return bucket.New(open(t, kind)) })
		})
	}
}

func TestContentTypes(t *testing.T) {
	t.Parallel()
	opened := open(t, kinds["memory"])
	storage := bucket.New(opened)
	for name, want := range map[string]string{
		"a.json": "application/json", "a.ndjson": "application/x-ndjson", "a": "application/octet-stream",
	} {
		file, err := storage.Create(t.Context(), name)
		require.NoError(t, err)
		require.NoError(t, file.Commit())
		attributes, err := opened.Attributes(t.Context(), name)
		require.NoError(t, err)
		assert.Equal(t, want, attributes.ContentType)
	}
}

func TestSuperseded(t *testing.T) {
	t.Parallel()
	storage := bucket.New(open(t, kinds["memory"]))
	first, err := storage.Create(t.Context(), "x.json")
	require.NoError(t, err)
	second, err := storage.Create(t.Context(), "x.json")
	require.NoError(t, err)
	require.NoError(t, second.Abort())
	require.ErrorIs(t, first.Commit(), bucket.ErrSuperseded, "also when the later one came to nothing")
}

func TestErrorsOfTheBucket(t *testing.T) {
	t.Parallel()
	opened := memblob.OpenBucket(nil)
	storage := bucket.New(opened)
	file, err := storage.Create(t.Context(), "x.json")
	require.NoError(t, err)
	require.NoError(t, file.Abort())
	require.NoError(t, opened.Close())
	_, err = storage.Create(t.Context(), "x.json")
	require.ErrorContains(t, err, "bucket: create x.json")
	_, err = storage.Open(t.Context(), "x.json")
	require.ErrorContains(t, err, "bucket: open x.json")
	require.NotErrorIs(t, err, export.ErrNotFound)
	require.ErrorContains(t, storage.Delete(t.Context(), "x.json"), "bucket: delete x.json")

	ctx, cancel := context.WithCancel(t.Context())
	storage = bucket.New(open(t, kinds["folder"]))
	file, err = storage.Create(ctx, "x.json")
	require.NoError(t, err)
	cancel()
	require.ErrorIs(t, file.Commit(), context.Canceled)
	_, err = storage.Open(t.Context(), "x.json")
	require.ErrorIs(t, err, export.ErrNotFound)
}

// TestExporter writes an export into a bucket, and serves a range of it.
func TestExporter(t *testing.T) {
	t.Parallel()
	backend := memory.New()
	for _, id := range []string{"a", "b", "c"} {
		entry := dlq.Entry{Queue: "events", Topic: "events", MessageID: id, Payload: []byte(`{"id":"` + id + `"}`)}
		require.NoError(t, backend.DeadLetters.Add(t.Context(), entry))
	}
	exporter, err := export.NewExporter(backend.Exports, backend.DeadLetters, bucket.New(open(t, kinds["memory"])),
		&export.Config{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- exporter.Run(ctx) }()
	record, err := exporter.Start(t.Context(), export.StartParams{Queue: "events", Format: export.FormatNDJSON})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		record, err = exporter.Get(t.Context(), record.ID)
		return err == nil && record.State == export.StateCompleted
	}, 20*time.Second, 10*time.Millisecond)
	cancel()
	require.NoError(t, <-ended)

	file, _, err := exporter.Open(t.Context(), record.ID)
	require.NoError(t, err)
	whole, err := io.ReadAll(file)
	require.NoError(t, err)
	assert.EqualValues(t, record.Bytes, len(whole))
	answer := httptest.NewRecorder()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody)
	request.Header.Set("Range", "bytes=10-19")
	http.ServeContent(answer, request, "x.ndjson", time.Time{}, file)
	require.NoError(t, file.Close())
	assert.Equal(t, http.StatusPartialContent, answer.Code)
	assert.Equal(t, string(whole[10:20]), answer.Body.String())
	require.NoError(t, exporter.Delete(t.Context(), record.ID))
	_, _, err = exporter.Open(t.Context(), record.ID)
	require.ErrorIs(t, err, export.ErrNotFound)
}
