package export_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/export"
)

// slowly makes a source take d for each entry.
func slowly(d time.Duration) func(string, int64) error {
	return func(string, int64) error { time.Sleep(d); return nil }
}

func TestRun_completes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	folder := newFolder(t, dir)
	synctest.Test(t, func(t *testing.T) {
		entries := &source{count: 1000}
		exporter := newExporter(t, &catalog{}, entries, folder, quiet)
		run(t, exporter)
		synctest.Wait()
		begun := time.Now()
		first, second := start(t, exporter, "events"), start(t, exporter, "callbacks")
		synctest.Wait()
		assert.Zero(t, time.Since(begun), "the wake-up, not the poll, began it")
		requireComplete(t, exporter, first.ID, 1000)
		requireComplete(t, exporter, second.ID, 1000)
		assert.Equal(t, []int64{1000, 1000}, entries.marks())
		assert.ElementsMatch(t, []string{"events-" + first.ID + ".json", "callbacks-" + second.ID + ".json"}, names(t, dir))

		entries.count = 0
		empty := start(t, exporter, "events")
		synctest.Wait()
		requireComplete(t, exporter, empty.ID, 0)
	})
}

func TestRun_writesLines(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	folder := newFolder(t, dir)
	synctest.Test(t, func(t *testing.T) {
		exporter := newExporter(t, &catalog{}, &source{count: 1000}, folder, quiet)
		run(t, exporter)
		record, err := exporter.Start(t.Context(), export.StartParams{Queue: "events", Format: export.FormatNDJSON})
		require.NoError(t, err)
		synctest.Wait()
		assert.Equal(t, []string{"events-" + record.ID + ".ndjson"}, names(t, dir))
		file, record, err := exporter.Open(t.Context(), record.ID)
		require.NoError(t, err)
		entries, err := readAll(file)
		require.NoError(t, errors.Join(err, file.Close()))
		assert.Len(t, entries, 1000)
		assert.EqualValues(t, 1000, record.Count)
		assert.Equal(t, export.FormatNDJSON, record.Format)
		require.NoError(t, exporter.Delete(t.Context(), record.ID))
		assert.Empty(t, names(t, dir))
	})
}

func TestRun_polls(t *testing.T) {
	t.Parallel()
	folder := newFolder(t, t.TempDir())
	synctest.Test(t, func(t *testing.T) {
		shared := &unreachable{Catalog: &catalog{}}
		cfg := &export.Config{PollInterval: 5 * time.Second, Logger: quiet.Logger}
		run(t, newExporter(t, shared, &source{count: 1}, folder, cfg))
		synctest.Wait()
		elsewhere := newExporter(t, shared, &source{}, folder, quiet)
		record := start(t, elsewhere, "events")
		time.Sleep(5*time.Second - 1)
		synctest.Wait()
		assert.Equal(t, export.StateRunning, get(t, elsewhere, record.ID).State)
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		requireComplete(t, elsewhere, record.ID, 1)
		time.Sleep(time.Minute)
		assert.LessOrEqual(t, shared.claims.Load(), int64(4+60/5), "an idle exporter asks at its poll interval only")
	})
}

func TestRun_renewsAndReports(t *testing.T) {
	t.Parallel()
	folder := newFolder(t, t.TempDir())
	synctest.Test(t, func(t *testing.T) {
		shared, entries := &catalog{}, &source{count: 600, before: slowly(250 * time.Millisecond)}
		exporter := newExporter(t, shared, entries, folder, quiet)
		run(t, exporter)
		run(t, newExporter(t, shared, entries, folder, quiet)) // would take over what is not renewed
		record := start(t, exporter, "events")
		time.Sleep(100*time.Second + time.Millisecond)
		synctest.Wait()
		assert.InDelta(t, 384, get(t, exporter, record.ID).Count, 4)
		assert.EqualValues(t, 600, get(t, exporter, record.ID).Total)
		time.Sleep(65 * time.Second)
		synctest.Wait()
		requireComplete(t, exporter, record.ID, 600)
		assert.True(t, slices.IsSorted(shared.progress()), "only one wrote")
		assert.InDelta(t, 156, len(shared.progress()), 3, "saved about every second")
		assert.Equal(t, []int64{600}, entries.marks())
	})
}

func TestRun_stalledReadKeepsTheLease(t *testing.T) {
	t.Parallel()
	folder := newFolder(t, t.TempDir())
	synctest.Test(t, func(t *testing.T) {
		shared := &catalog{}
		var snapshots atomic.Int64
		entries := &source{count: 2, before: func(_ string, i int64) error {
			if i == 0 {
				snapshots.Add(1)
			}
			time.Sleep(5 * time.Minute)
			return nil
		}}
		exporter := newExporter(t, shared, entries, folder, quiet)
		run(t, exporter)
		run(t, newExporter(t, shared, entries, folder, quiet))
		record := start(t, exporter, "events")
		time.Sleep(11 * time.Minute)
		synctest.Wait()
		requireComplete(t, exporter, record.ID, 2)
		assert.EqualValues(t, 1, snapshots.Load())
	})
}

// killed is a Storage whose process dies with what it writes: nothing is tidied up.
type killed struct{ export.Storage }

type killedFile struct{ export.File }

func (k killed) Create(ctx context.Context, name string) (export.File, error) {
	file, err := k.Storage.Create(ctx, name)
	return killedFile{file}, err
}

func (killedFile) Abort() error { return nil }

func TestRun_takeoverAfterCrash(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	folder := newFolder(t, dir)
	synctest.Test(t, func(t *testing.T) {
		shared := &catalog{}
		crash := run(t, newExporter(t, shared, &source{count: 100, before: slowly(time.Second)}, killed{folder}, quiet))
		entries := &source{count: 120}
		exporter := newExporter(t, shared, entries, folder, quiet)
		record := start(t, exporter, "events")
		time.Sleep(50*time.Second + time.Millisecond)
		crash()
		crashedAt := time.Now()
		assert.Positive(t, get(t, exporter, record.ID).Count)
		require.Len(t, names(t, dir), 1, "the crash left something behind")

		run(t, exporter)
		time.Sleep(28 * time.Second)
		synctest.Wait()
		assert.Equal(t, export.StateRunning, get(t, exporter, record.ID).State, "the lease still holds")
		time.Sleep(4 * time.Second)
		synctest.Wait()
		requireComplete(t, exporter, record.ID, 120)
		assert.WithinDuration(t, crashedAt.Add(30*time.Second), get(t, exporter, record.ID).FinishedAt, 2*time.Second)
		assert.Equal(t, []int64{120}, entries.marks())
		assert.Equal(t, []string{"events-" + record.ID + ".json"}, names(t, dir), "and it is gone")
	})
}

func TestRun_crashAfterCommit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	folder := newFolder(t, dir)
	synctest.Test(t, func(t *testing.T) {
		shared, entries := &catalog{}, &source{count: 3, markErr: errDown}
		crashing := newExporter(t, shared, entries, folder, quiet)
		crash := run(t, crashing)
		record := start(t, crashing, "events")
		synctest.Wait()
		crash()
		require.Equal(t, []string{"events-" + record.ID + ".json"}, names(t, dir), "committed")
		assert.Equal(t, export.StateRunning, get(t, crashing, record.ID).State)

		exporter := newExporter(t, shared, &source{count: 5}, folder, quiet)
		run(t, exporter)
		time.Sleep(32 * time.Second)
		synctest.Wait()
		requireComplete(t, exporter, record.ID, 5)
	})
}

func TestRun_pausedOwnerDoesNotOverwrite(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	folder := newFolder(t, dir)
	synctest.Test(t, func(t *testing.T) {
		shared := &catalog{}
		link := &unreachable{Catalog: shared}
		stall := make(chan struct{})
		stalled := &source{count: 3, before: func(_ string, i int64) error {
			if i == 2 {
				<-stall
			}
			return nil
		}}
		paused := newExporter(t, link, stalled, folder, quiet)
		run(t, paused)
		record := start(t, paused, "events")
		synctest.Wait()
		link.cut.Store(true)

		exporter := newExporter(t, shared, &source{count: 7}, folder, quiet)
		run(t, exporter)
		time.Sleep(32 * time.Second)
		synctest.Wait()
		requireComplete(t, exporter, record.ID, 7)
		close(stall)
		synctest.Wait()
		link.cut.Store(false)
		time.Sleep(time.Minute)
		synctest.Wait()
		requireComplete(t, exporter, record.ID, 7)
		assert.Empty(t, stalled.marks())
		assert.Len(t, names(t, dir), 1)
	})
}

func TestRun_deletedWhileRunning(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	folder := newFolder(t, dir)
	synctest.Test(t, func(t *testing.T) {
		entries := &source{count: 100, before: slowly(time.Second)}
		exporter := newExporter(t, &catalog{}, entries, folder, quiet)
		run(t, exporter)
		record := start(t, exporter, "events")
		time.Sleep(10*time.Second + time.Millisecond)
		require.Len(t, names(t, dir), 1)
		require.NoError(t, exporter.Delete(t.Context(), record.ID))
		time.Sleep(2 * time.Second)
		synctest.Wait()
		assert.Empty(t, names(t, dir), "aborted within about a second")
		assert.Empty(t, entries.marks())

		entries.before = nil
		next := start(t, exporter, "events")
		synctest.Wait()
		requireComplete(t, exporter, next.ID, 100)
	})
}

func TestRun_deletedBeforeTheCommit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	folder := newFolder(t, dir)
	synctest.Test(t, func(t *testing.T) {
		shared, entries := &catalog{}, &source{count: 10}
		exporter := newExporter(t, shared, entries, folder, quiet)
		record := start(t, exporter, "events")
		entries.before = func(_ string, i int64) error {
			if i == 9 {
				return shared.Delete(context.Background(), record.ID)
			}
			return nil
		}
		run(t, exporter)
		synctest.Wait()
		assert.Empty(t, entries.marks(), "found out before anything was done for good")
		assert.Empty(t, names(t, dir))
	})
}

// late deletes an export right after its file was committed.
type late struct {
	export.Storage
	committed func()
}

type lateFile struct {
	export.File
	committed func()
}

func (l late) Create(ctx context.Context, name string) (export.File, error) {
	file, err := l.Storage.Create(ctx, name)
	return lateFile{file, l.committed}, err
}

func (l lateFile) Commit() error {
	err := l.File.Commit()
	l.committed()
	return err
}

func TestRun_deletedAtTheLastMoment(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	folder := newFolder(t, dir)
	synctest.Test(t, func(t *testing.T) {
		shared := &catalog{}
		var record export.Record
		storage := late{folder, func() { assert.NoError(t, shared.Delete(context.Background(), record.ID)) }}
		exporter := newExporter(t, shared, &source{count: 1}, storage, quiet)
		record = start(t, exporter, "events")
		run(t, exporter)
		synctest.Wait()
		assert.Empty(t, names(t, dir), "no file without a record")
	})
}

// disk is a Storage whose calls fail as told.
type disk struct {
	export.Storage
	create, write, commit error
}

type diskFile struct {
	export.File
	disk *disk
}

func (d *disk) Create(ctx context.Context, name string) (export.File, error) {
	if d.create != nil {
		return nil, d.create
	}
	file, err := d.Storage.Create(ctx, name)
	return &diskFile{file, d}, err
}

func (f *diskFile) Write(b []byte) (int, error) {
	if f.disk.write != nil {
		return 0, f.disk.write
	}
	return f.File.Write(b)
}

func (f *diskFile) Commit() error {
	if f.disk.commit != nil {
		return errors.Join(f.disk.commit, f.Abort())
	}
	return f.File.Commit()
}

func TestRun_diskErrors(t *testing.T) {
	t.Parallel()
	full := &os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}
	cases := map[string]disk{
		"create": {create: full},
		"write":  {write: full},
		"commit": {commit: full},
		"long":   {write: errors.New("no space left on device " + strings.Repeat("x", 1<<20))},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			folder := newFolder(t, dir)
			c.Storage = folder
			synctest.Test(t, func(t *testing.T) {
				entries := &source{count: 1000}
				exporter := newExporter(t, &catalog{}, entries, &c, quiet)
				run(t, exporter)
				id := start(t, exporter, "events").ID
				synctest.Wait()
				record := get(t, exporter, id)
				assert.Equal(t, export.StateFailed, record.State)
				assert.Contains(t, record.Error, "no space left on device")
				assert.LessOrEqual(t, len(record.Error), 2048)
				assert.Zero(t, record.Count+record.Bytes)
				assert.False(t, record.FinishedAt.IsZero())
				assert.Empty(t, names(t, dir))
				assert.Empty(t, entries.marks())
				_, _, err := exporter.Open(t.Context(), id)
				require.ErrorIs(t, err, export.ErrNotReady)

				c.create, c.write, c.commit = nil, nil, nil
				next := start(t, exporter, "events")
				synctest.Wait()
				requireComplete(t, exporter, next.ID, 1000)
				require.NoError(t, exporter.Delete(t.Context(), id))
			})
		})
	}
}

func TestRun_brokenSnapshotFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	folder := newFolder(t, dir)
	synctest.Test(t, func(t *testing.T) {
		exporter := newExporter(t, &catalog{}, &source{count: 10, surplus: 1}, folder, quiet)
		run(t, exporter)
		id := start(t, exporter, "events").ID
		synctest.Wait()
		record := get(t, exporter, id)
		assert.Equal(t, export.StateFailed, record.State)
		assert.Contains(t, record.Error, export.ErrCount.Error())
		assert.Empty(t, names(t, dir))
	})
}

func TestRun_storeErrorsPass(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	folder := newFolder(t, dir)
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		entries := &source{count: 10, before: func(_ string, i int64) error {
			if i == 5 && down.Load() {
				return errDown
			}
			return nil
		}}
		entries.failMarks(errDown)
		link := &unreachable{Catalog: &catalog{}}
		exporter := newExporter(t, link, entries, folder, quiet)
		link.cut.Store(true)
		down.Store(true)
		id := start(t, exporter, "events").ID
		run(t, exporter)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		assert.Less(t, link.claims.Load(), int64(10*60/10), "with backoff")
		link.cut.Store(false)
		time.Sleep(10 * time.Minute)
		assert.Equal(t, export.StateRunning, get(t, exporter, id).State, "not failed")
		assert.Empty(t, names(t, dir))
		down.Store(false)
		time.Sleep(10 * time.Minute)
		assert.Equal(t, export.StateRunning, get(t, exporter, id).State, "not marked yet")
		entries.failMarks(nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		requireComplete(t, exporter, id, 10)
	})
}

func TestRun_oneBadExportDoesNotBlockOthers(t *testing.T) {
	t.Parallel()
	folder := newFolder(t, t.TempDir())
	synctest.Test(t, func(t *testing.T) {
		entries := &source{count: 1, before: func(queue string, _ int64) error {
			if queue == "bad" {
				return errDown
			}
			return nil
		}}
		exporter := newExporter(t, &catalog{}, entries, folder, quiet)
		bad, good := start(t, exporter, "bad"), start(t, exporter, "good")
		run(t, exporter)
		time.Sleep(time.Minute)
		synctest.Wait()
		requireComplete(t, exporter, good.ID, 1)
		assert.Equal(t, export.StateRunning, get(t, exporter, bad.ID).State)
	})
}

func TestRun_restart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	folder := newFolder(t, dir)
	synctest.Test(t, func(t *testing.T) {
		exporter := newExporter(t, &catalog{}, &source{count: 10, before: slowly(time.Second)}, folder, quiet)
		record := start(t, exporter, "events")
		for range 3 {
			stop := run(t, exporter)
			time.Sleep(5 * time.Second)
			begun := time.Now()
			stop()
			stop()
			assert.LessOrEqual(t, time.Since(begun), time.Second)
			assert.Empty(t, names(t, dir), "a clean stop leaves nothing")
			assert.Equal(t, export.StateRunning, get(t, exporter, record.ID).State)
			time.Sleep(30 * time.Second)
		}
		run(t, exporter)
		time.Sleep(15 * time.Second)
		synctest.Wait()
		requireComplete(t, exporter, record.ID, 10)

		ended, cancel := context.WithCancel(t.Context())
		cancel()
		require.NoError(t, exporter.Run(ended))
	})
}

func TestRun_manyReplicas(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	folder := newFolder(t, dir)
	synctest.Test(t, func(t *testing.T) {
		shared, entries := &catalog{}, &source{count: 20, before: slowly(100 * time.Millisecond)}
		var exporter *export.Exporter
		for range 4 {
			exporter = newExporter(t, shared, entries, folder, quiet)
			run(t, exporter)
		}
		var ids []string
		for range 12 {
			ids = append(ids, start(t, exporter, "events").ID)
		}
		time.Sleep(12 * time.Second)
		synctest.Wait()
		for _, id := range ids {
			require.NoError(t, uuid.Validate(id))
			requireComplete(t, exporter, id, 20)
		}
		assert.Len(t, entries.marks(), 12, "each was written once")
		assert.Len(t, names(t, dir), 12)
	})
}
