package bench

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/sqlite"
	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/export"
	"github.com/redrive-go/redrive/retry"
)

// BenchmarkMemory measures the resident memory of a process with a million events waiting and 500 in flight.
func BenchmarkMemory(b *testing.B) {
	for range b.N {
		path := filepath.Join(folder(b), "waiting.db")
		backend, err := sqlite.Open(context.Background(), path, nil)
		must(b, err)
		fill(b, newService(b, backend, idle, asyncevents.Config{}), entries())
		must(b, backend.Close())
		b.ReportMetric(inChild(b, "consume", path), "MiB")
		b.ReportMetric(0, "ns/op")
	}
}

// BenchmarkDLQ measures a DLQ of a million entries, one thing after the other: pages, export, a retry job, erase.
func BenchmarkDLQ(b *testing.B) {
	for range b.N {
		path := filepath.Join(folder(b), "dead.db")
		backend, err := sqlite.Open(context.Background(), path, nil)
		must(b, err)
		fillDLQ(b, backend)
		b.ReportMetric(medianPage(b, backend, ""), "first-page-ms")
		b.ReportMetric(medianPage(b, backend, middle(b, backend)), "middle-page-ms")

		exports, err := export.NewFolder(filepath.Join(filepath.Dir(path), "exports"))
		must(b, err)
		took, err := exportOnce(backend, exports)
		must(b, err)
		b.ReportMetric(float64(entries())/took.Seconds(), "exported/s")
		b.ReportMetric(inChild(b, "export", path), "export-MiB")

		b.ReportMetric(retryAll(b, backend), "redriven/s")
		drainToDLQ(b, backend)
		rate, stall := eraseAll(b, backend)
		b.ReportMetric(rate, "erased/s")
		b.ReportMetric(stall, "intake-stall-ms")
		b.ReportMetric(0, "ns/op")
		must(b, backend.Close())
	}
}

func fillDLQ(b *testing.B, backend *asyncevents.Backend) {
	s := newService(b, backend, refuseForGood, asyncevents.Config{Concurrency: 500})
	fill(b, s, entries())
	drainToDLQ(b, backend)
}

func refuseForGood(context.Context, asyncevents.Event) (any, error) {
	return nil, retry.Permanent(errors.New("dial tcp 10.0.0.7:443: connect: connection refused"))
}

// drainToDLQ processes until all entries stand in the DLQ.
func drainToDLQ(b *testing.B, backend *asyncevents.Backend) {
	s := newService(b, backend, refuseForGood, asyncevents.Config{Concurrency: 500})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	for {
		stats, err := s.DeadLetters().Stat(ctx, asyncevents.EventsQueue)
		must(b, err)
		if stats.Count == int64(entries()) {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	cancel()
	must(b, <-ended)
}

// middle is a cursor in the middle of the DLQ.
func middle(b *testing.B, backend *asyncevents.Backend) string {
	m, cursor := manager(backend), ""
	for range entries() / 2 / 1000 {
		page, err := m.List(context.Background(), asyncevents.EventsQueue, dlq.Query{Cursor: cursor, Limit: 1000})
		must(b, err)
		cursor = page.NextCursor
	}
	return cursor
}

func medianPage(b *testing.B, backend *asyncevents.Backend, cursor string) float64 {
	m := manager(backend)
	var took []time.Duration
	for range 21 {
		started := time.Now()
		page, err := m.List(context.Background(), asyncevents.EventsQueue, dlq.Query{Cursor: cursor, Limit: 50})
		must(b, err)
		if len(page.Entries) != 50 || page.Total != int64(entries()) {
			b.Fatalf("%d entries of %d", len(page.Entries), page.Total)
		}
		took = append(took, time.Since(started))
	}
	slices.Sort(took)
	return float64(took[len(took)/2].Microseconds()) / 1000
}

// retryAll runs a retry job at a batch size of 10,000 without a cooldown and returns its pace.
func retryAll(b *testing.B, backend *asyncevents.Backend) float64 {
	runner, err := retry.NewRunner(backend.Jobs, manager(backend), asyncevents.Queues(), &retry.RunnerConfig{Logger: quiet})
	must(b, err)
	ctx, cancel := context.WithCancel(context.Background())
	must(b, runner.SaveSettings(ctx, retry.Settings{BatchSize: 10_000}))
	ended := make(chan error, 1)
	go func() { ended <- runner.Run(ctx) }()
	started := time.Now()
	job, err := runner.Start(ctx, asyncevents.EventsQueue, "bench")
	must(b, err)
	for !job.State.Ended() {
		time.Sleep(5 * time.Millisecond)
		job, err = runner.Job(ctx, asyncevents.EventsQueue)
		must(b, err)
	}
	took := time.Since(started)
	cancel()
	must(b, <-ended)
	if job.State != retry.StateCompleted || job.Moved != int64(entries()) {
		b.Fatalf("job %s moved %d", job.State, job.Moved)
	}
	return float64(job.Moved) / took.Seconds()
}

// eraseAll erases the DLQ while one caller goes on accepting, and returns the pace and the longest that the caller had
// to wait, in milliseconds.
func eraseAll(b *testing.B, backend *asyncevents.Backend) (rate, stall float64) {
	s := newService(b, backend, idle, asyncevents.Config{})
	var worst atomic.Int64
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
			}
			called := time.Now()
			if _, err := s.Accept(context.Background(), asyncevents.Submission{Body: body}); err != nil {
				b.Error(err)
				return
			}
			worst.Store(max(worst.Load(), int64(time.Since(called))))
		}
	}()
	started := time.Now()
	erased, err := manager(backend).Erase(context.Background(), asyncevents.EventsQueue, int64(entries()))
	took := time.Since(started)
	close(stop)
	<-stopped
	must(b, err)
	if erased != int64(entries()) {
		b.Fatalf("%d erased", erased)
	}
	return float64(erased) / took.Seconds(), float64(worst.Load()) / 1e6
}
