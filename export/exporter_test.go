package export_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/export"
)

var quiet = &export.Config{Logger: slog.New(slog.DiscardHandler)}

func newExporter(
	t *testing.T, catalog export.Catalog, source dlq.Store, storage export.Storage, cfg *export.Config,
) *export.Exporter {
	t.Helper()
	exporter, err := export.NewExporter(catalog, source, storage, cfg)
	require.NoError(t, err)
	return exporter
}

// run runs an exporter until the returned function is called, or the test ends.
func run(t *testing.T, exporter *export.Exporter) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		assert.NoError(t, exporter.Run(ctx))
	}()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return stop
}

// start asks for an export.
func start(t *testing.T, exporter *export.Exporter, queue string) export.Record {
	t.Helper()
	record, err := exporter.Start(t.Context(), export.StartParams{Queue: queue, By: "ann"})
	require.NoError(t, err)
	return record
}

// get returns an export's present record.
func get(t *testing.T, exporter *export.Exporter, id string) export.Record {
	t.Helper()
	record, err := exporter.Get(t.Context(), id)
	require.NoError(t, err)
	return record
}

// requireComplete asserts that an export is complete, and that its file is what the record says: count entries, read whole.
func requireComplete(t *testing.T, exporter *export.Exporter, id string, count int64) {
	t.Helper()
	file, record, err := exporter.Open(t.Context(), id)
	require.NoError(t, err)
	content, err := io.ReadAll(file)
	require.NoError(t, err)
	require.NoError(t, file.Close())
	sum := sha256.Sum256(content)
	assert.Equal(t, export.StateCompleted, record.State)
	assert.Equal(t, hex.EncodeToString(sum[:]), record.SHA256)
	assert.EqualValues(t, len(content), record.Bytes)
	assert.Equal(t, count, record.Count)
	assert.Equal(t, count, record.Total)
	assert.Empty(t, record.Error)
	assert.False(t, record.FinishedAt.Before(record.CreatedAt))
	d := parse(t, content)
	assert.Equal(t, record.Queue, d.Queue)
	assert.Equal(t, count, d.Count)
	assert.Len(t, d.Entries, int(count))
}

func TestNewExporter_faults(t *testing.T) {
	t.Parallel()
	_, err := export.NewExporter(nil, nil, nil, &export.Config{Lease: time.Millisecond})
	for _, text := range []string{"catalog is nil", "source is nil", "storage is nil", "Lease must be"} {
		require.ErrorContains(t, err, text)
	}
}

func TestExporter_Start(t *testing.T) {
	t.Parallel()
	exporter := newExporter(t, &catalog{}, &source{}, newFolder(t, t.TempDir()), quiet)
	record := start(t, exporter, "events")
	id, err := uuid.Parse(record.ID)
	require.NoError(t, err)
	assert.EqualValues(t, 7, id.Version())
	assert.WithinDuration(t, time.Now(), record.CreatedAt, time.Minute)
	want := export.Record{
		ID: record.ID, Queue: "events", State: export.StateRunning, Format: "json", CreatedAt: record.CreatedAt, CreatedBy: "ann",
	}
	assert.Equal(t, want, record)
	assert.Equal(t, want, get(t, exporter, record.ID))
	_, _, err = exporter.Open(t.Context(), record.ID)
	require.ErrorIs(t, err, export.ErrNotReady)
	_, err = exporter.Start(t.Context(), export.StartParams{By: "ann"})
	require.Error(t, err)
	_, err = exporter.Start(t.Context(), export.StartParams{Queue: "events", Format: "xml"})
	require.ErrorIs(t, err, export.ErrBadFormat)
}

func TestExporter_List(t *testing.T) {
	t.Parallel()
	exporter := newExporter(t, &catalog{}, &source{}, newFolder(t, t.TempDir()), quiet)
	var ids []string
	for range 60 {
		ids = append(ids, start(t, exporter, "events").ID)
	}
	callbacks := start(t, exporter, "callbacks")
	for limit, want := range map[int]int{0: 50, -1: 50, 2: 2, 5000: 60} {
		list, err := exporter.List(t.Context(), "events", limit)
		require.NoError(t, err)
		require.Len(t, list, want)
		assert.Equal(t, ids[59], list[0].ID, "newest first")
	}
	list, err := exporter.List(t.Context(), "", 1)
	require.NoError(t, err)
	assert.Equal(t, []export.Record{callbacks}, list)
}

func TestExporter_unknownID(t *testing.T) {
	t.Parallel()
	exporter := newExporter(t, &catalog{}, &source{}, newFolder(t, t.TempDir()), quiet)
	known := start(t, exporter, "events").ID
	for _, id := range []string{
		"", uuid.NewString(), "../" + known, known + "\n", strings.ToUpper(known) + "x", "{" + known + "}", "urn:uuid:" + known,
		strings.ReplaceAll(known, "-", ""), "%", strings.Repeat("x", 1<<20), "\x00", "' OR 1=1 --",
	} {
		_, err := exporter.Get(t.Context(), id)
		require.ErrorIs(t, err, export.ErrNotFound)
		assert.Less(t, len(err.Error()), 500)
		_, _, err = exporter.Open(t.Context(), id)
		require.ErrorIs(t, err, export.ErrNotFound)
		require.ErrorIs(t, exporter.Delete(t.Context(), id), export.ErrNotFound)
	}
}

func TestExporter_Delete(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	folder := newFolder(t, dir)
	synctest.Test(t, func(t *testing.T) {
		exporter := newExporter(t, &catalog{}, &source{count: 3}, folder, quiet)
		run(t, exporter)
		record := start(t, exporter, "events")
		synctest.Wait()
		requireComplete(t, exporter, record.ID, 3)
		require.NoError(t, exporter.Delete(t.Context(), record.ID))
		_, err := exporter.Get(t.Context(), record.ID)
		require.ErrorIs(t, err, export.ErrNotFound)
		require.ErrorIs(t, exporter.Delete(t.Context(), record.ID), export.ErrNotFound)
		assert.Empty(t, names(t, dir))

		lost := start(t, exporter, "events")
		synctest.Wait()
		require.NoError(t, folder.Delete(t.Context(), "events-"+lost.ID+".json"))
		_, _, err = exporter.Open(t.Context(), lost.ID)
		require.ErrorIs(t, err, export.ErrNotFound, "the file is gone")
		require.NoError(t, exporter.Delete(t.Context(), lost.ID))
	})
}

// racing is a Storage in which a writer commits a file right after it was first deleted.
type racing struct {
	export.Storage
	t     *testing.T
	calls int
}

func (r *racing) Delete(ctx context.Context, name string) error {
	err := r.Storage.Delete(ctx, name)
	if r.calls++; r.calls == 1 {
		assert.NoError(r.t, create(r.t, r.Storage, name, "late").Commit())
	}
	return err
}

func TestExporter_Delete_whileCommitted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	exporter := newExporter(t, &catalog{}, &source{}, &racing{Storage: newFolder(t, dir), t: t}, quiet)
	require.NoError(t, exporter.Delete(t.Context(), start(t, exporter, "events").ID))
	assert.Empty(t, names(t, dir))
}

func TestExporter_fileNames(t *testing.T) {
	t.Parallel()
	for queue, want := range map[string]string{
		"events":                   "events-",
		"shop.events_v2":           "shop.events_v2-",
		"../../etc/passwd":         "_._.._etc_passwd-",
		"ev\"ents\x00ä":            "ev_ents__-",
		".":                        "_-",
		strings.Repeat("é.", 2000): strings.Repeat("_.", 75) + "-",
	} {
		dir := t.TempDir()
		folder := newFolder(t, dir)
		synctest.Test(t, func(t *testing.T) {
			exporter := newExporter(t, &catalog{}, &source{count: 1}, folder, quiet)
			run(t, exporter)
			record := start(t, exporter, queue)
			synctest.Wait()
			requireComplete(t, exporter, record.ID, 1)
			assert.Equal(t, []string{want + record.ID + ".json"}, names(t, dir))
		})
	}
}
