package bench

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/export"
	"github.com/redrive-go/redrive/retry"
)

// BenchmarkDLQ measures a DLQ of a million entries, one thing after the other: pages, exports, a retry job, erase, and
// what a caller of the intake notices of them. Each is the median of some rounds, of which every one fills a DLQ of its own.
func BenchmarkDLQ(b *testing.B) {
	for _, k := range durable() {
		b.Run(k.name, func(b *testing.B) {
			f := figures{}
			for range rounds() {
				deadLetters(b, f, k, k.place(b))
			}
			f.report(b)
		})
	}
}

func deadLetters(b *testing.B, f figures, k kind, place string) {
	backend := k.at(b, place)
	defer func() { must(b, backend.Close()) }() // the next round has the server for itself
	s := newService(b, backend, refuseForGood, asyncevents.Config{Concurrency: 500})
	dead, accepted := entries(), 0
	fill(b, s, dead)
	drainToDLQ(b, s, dead)
	k.atRest(b, place)

	meanwhile := func(name string, do func()) {
		in := startIntake(s)
		do()
		took := in.end(b)
		accepted += len(took)
		f.add(quantile(took, .99), "intake-"+name+"-p99-ms")
		f.add(quantile(took, 1), "intake-"+name+"-max-ms")
	}
	meanwhile("idle", func() { time.Sleep(5 * time.Second) })
	f.add(medianPage(b, backend, ""), "first-page-ms")
	f.add(medianPage(b, backend, middle(b, backend)), "middle-page-ms")
	findAll(b, f, backend)
	exportAside(b, f, k, place, dead)
	meanwhile("export", func() {
		_, err := exportOnce(backend, folder(b))
		must(b, err)
	})
	meanwhile("retry", func() { f.add(retryAll(b, backend, dead), "redriven/s") })
	drainToDLQ(b, s, dead+accepted) // what was accepted meanwhile fails as well
	dead += accepted
	meanwhile("erase", func() { f.add(eraseAll(b, backend, dead), "erased/s") })
}

// exportAside exports in a process that does nothing else.
func exportAside(b *testing.B, f figures, k kind, place string, dead int) {
	exporter := startChild(b, "export", k, place)
	f.add(float64(dead)/exporter.number(b), "exported/s")
	f.add(exporter.number(b), "export-MiB")
	exporter.end(b)
}

// refuseForGood fails for one of three causes, of which one is rare.
func refuseForGood(_ context.Context, event asyncevents.Event) (any, error) {
	reason := "dial tcp 10.0.0.7:443: connect: connection refused"
	switch id := event.ID; {
	case strings.HasSuffix(id, "000"):
		reason = "account " + id + " is closed"
	case strings.HasSuffix(id, "7"):
		reason = "context deadline exceeded after " + id
	}
	return nil, retry.Permanent(errors.New(reason))
}

// drainToDLQ processes until so many entries stand in the DLQ.
func drainToDLQ(b *testing.B, s *asyncevents.Service, dead int) {
	running(b, s, func() {
		for {
			stats, err := s.DeadLetters().Stat(context.Background(), asyncevents.EventsQueue)
			must(b, err)
			if stats.Count == int64(dead) {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
	})
}

// manager is a Manager that is quiet.
func manager(backend *asyncevents.Backend) *dlq.Manager {
	return dlq.NewManager(backend.DeadLetters, quiet)
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
	return quantile(took, .5)
}

// exportOnce exports the Events DLQ and returns how long that took.
func exportOnce(backend *asyncevents.Backend, dir string) (time.Duration, error) {
	storage, err := export.NewFolder(dir)
	if err != nil {
		return 0, err
	}
	exporter, err := export.NewExporter(backend.Exports, backend.DeadLetters, storage, &export.Config{Logger: quiet})
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- exporter.Run(ctx) }()
	started := time.Now()
	record, err := exporter.Start(ctx, export.StartParams{Queue: asyncevents.EventsQueue, By: "bench"})
	for err == nil && record.State == export.StateRunning {
		time.Sleep(5 * time.Millisecond)
		record, err = exporter.Get(ctx, record.ID)
	}
	took := time.Since(started)
	cancel()
	if stop := <-ended; err == nil {
		err = stop
	}
	if err == nil && record.State != export.StateCompleted {
		err = fmt.Errorf("export %s: %s", record.State, record.Error)
	}
	return took, err
}

// retryAll runs a retry job at a batch size of 10,000 without a cooldown and returns its pace.
func retryAll(b *testing.B, backend *asyncevents.Backend, dead int) float64 {
	runner, err := retry.NewRunner(backend.Jobs, manager(backend), asyncevents.Queues(), &retry.RunnerConfig{Logger: quiet})
	must(b, err)
	ctx, cancel := context.WithCancel(context.Background())
	must(b, runner.SaveSettings(ctx, retry.Settings{BatchSize: 10_000}))
	ended := make(chan error, 1)
	go func() { ended <- runner.Run(ctx) }()
	started := time.Now()
	job, err := runner.Start(ctx, asyncevents.EventsQueue, "bench", retry.Options{})
	must(b, err)
	for !job.State.Ended() {
		time.Sleep(5 * time.Millisecond)
		job, err = runner.Job(ctx, asyncevents.EventsQueue)
		must(b, err)
	}
	took := time.Since(started)
	cancel()
	must(b, <-ended)
	if job.State != retry.StateCompleted || job.Moved != int64(dead) {
		b.Fatalf("job %s moved %d", job.State, job.Moved)
	}
	return float64(job.Moved) / took.Seconds()
}

// eraseAll erases the DLQ and returns its pace.
func eraseAll(b *testing.B, backend *asyncevents.Backend, dead int) float64 {
	started := time.Now()
	erased, err := manager(backend).Erase(context.Background(), asyncevents.EventsQueue, dlq.Filter{}, int64(dead))
	must(b, err)
	if erased != int64(dead) {
		b.Fatalf("%d erased", erased)
	}
	return float64(erased) / time.Since(started).Seconds()
}
