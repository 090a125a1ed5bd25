package bench

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/dlq"
)

// rareCause is a failure of which there are few.
var rareCause = dlq.Failure{Type: "error", Message: "account 0197f2a4-5f5e-7c1c-8a6b-0a1b2c3d4000 is closed"}

// findAll measures how long an operator waits for what there is to ask of a DLQ of a million entries.
func findAll(b *testing.B, f figures, backend *asyncevents.Backend) {
	m := manager(backend)
	first, err := m.List(context.Background(), asyncevents.EventsQueue, dlq.Query{Limit: 1})
	must(b, err)
	last, err := m.List(context.Background(), asyncevents.EventsQueue, dlq.Query{Cursor: middle(b, backend), Limit: 1})
	must(b, err)
	for name, filter := range map[string]dlq.Filter{
		"find-all":       {},
		"find-event":     {CorrelationID: last.Entries[0].CorrelationID},
		"find-cause":     {Signature: first.Entries[0].Failure.Signature()},
		"find-rare":      {Signature: rareCause.Signature()},
		"find-time":      {From: last.Entries[0].CreatedAt},
		"find-error":     {Error: "deadline"},
		"find-nothing":   {Text: "is in none of them"}, // is cut off
		"find-no-error":  {Error: "is in none of them"},
		"find-attribute": {Attributes: map[string]string{"data.absent": "x"}},
	} {
		f.add(medianOf(b, func() error {
			_, err := m.List(context.Background(), asyncevents.EventsQueue, dlq.Query{Filter: filter})
			return err
		}), name+"-ms")
	}
	f.add(medianOf(b, func() error {
		_, err := m.Groups(context.Background(), asyncevents.EventsQueue, 50)
		return err
	}), "groups-ms")
	two := 2
	for name, filter := range map[string]dlq.Filter{
		"count-cause":    {Signature: first.Entries[0].Failure.Signature()},
		"count-time":     {From: last.Entries[0].CreatedAt},
		"count-redrives": {MaxRedrives: &two},
		"count-error":    {Error: "deadline"},
		"count-text":     {Text: "is in none of them"},
	} {
		started := time.Now()
		_, _, err = m.Count(context.Background(), asyncevents.EventsQueue, filter)
		must(b, err)
		f.add(float64(time.Since(started).Microseconds())/1000, name+"-ms")
	}
}

// medianOf is how long the median of some calls takes, in milliseconds.
func medianOf(b *testing.B, call func() error) float64 {
	var took []time.Duration
	for range 11 {
		started := time.Now()
		must(b, call())
		took = append(took, time.Since(started))
	}
	return quantile(took, .5)
}

// BenchmarkFinding measures searches and counts in a DLQ of small payloads, and then eight searches at once in one of a thousand large ones.
func BenchmarkFinding(b *testing.B) {
	for _, k := range durable() {
		b.Run(k.name, func(b *testing.B) {
			f := figures{}
			for range rounds() {
				place := k.place(b)
				backend := k.at(b, place)
				s := newService(b, backend, refuseForGood, asyncevents.Config{Concurrency: 500})
				fill(b, s, entries())
				drainToDLQ(b, s, entries())
				k.atRest(b, place)
				findAll(b, f, backend)
				bury(b, backend, 1000, 100_000)
				f.add(atOnce(b, backend, 1), "large-ms")
				f.add(atOnce(b, backend, 8), "large-8-at-once-ms")
			}
			f.report(b)
		})
	}
}

// bury puts n entries with payloads of so many bytes into the Callbacks DLQ.
func bury(b *testing.B, backend *asyncevents.Backend, n, size int) {
	b.Helper()
	payload := append(append([]byte(`{"pad":"`), bytes.Repeat([]byte{'x'}, size-10)...), `"}`...)
	for i := range n {
		must(b, backend.DeadLetters.Add(context.Background(), dlq.Entry{
			Queue: asyncevents.CallbacksQueue, Topic: "bench", MessageID: fmt.Sprint("large-", i), Payload: payload,
			Failure: dlq.Failure{Type: "timeout", Message: "context deadline exceeded"},
		}))
	}
}

// atOnce is how long the slowest of some searches takes that run at the same time and find nothing, in milliseconds.
func atOnce(b *testing.B, backend *asyncevents.Backend, searches int) float64 {
	m := manager(backend)
	took := make([]time.Duration, searches)
	var group sync.WaitGroup
	for i := range took {
		group.Go(func() {
			started := time.Now()
			_, err := m.List(context.Background(), asyncevents.CallbacksQueue, dlq.Query{Filter: dlq.Filter{Error: "nosuch"}})
			must(b, err)
			took[i] = time.Since(started)
		})
	}
	group.Wait()
	return quantile(took, 1)
}
