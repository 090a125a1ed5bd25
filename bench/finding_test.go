package bench

import (
	"context"
	"testing"
	"time"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/dlq"
)

// findAll measures how long an operator waits for what there is to ask of a DLQ of a million entries.
func findAll(b *testing.B, f figures, backend *asyncevents.Backend) {
	m := manager(backend)
	first, err := m.List(context.Background(), asyncevents.EventsQueue, dlq.Query{Limit: 1})
	must(b, err)
	last, err := m.List(context.Background(), asyncevents.EventsQueue, dlq.Query{Cursor: middle(b, backend), Limit: 1})
	must(b, err)
	rare := dlq.Failure{Type: "*errors.errorString", Message: "account 0197f2a4-5f5e-7c1c-8a6b-0a1b2c3d4000 is closed"}.Signature()
	for name, filter := range map[string]dlq.Filter{
		"find-event":     {CorrelationID: last.Entries[0].CorrelationID},
		"find-cause":     {Signature: first.Entries[0].Failure.Signature()},
		"find-rare":      {Signature: rare},
		"find-time":      {From: last.Entries[0].CreatedAt},
		"find-error":     {Error: "deadline"},
		"find-nothing":   {Text: "is in none of them"}, // is cut off
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
	started := time.Now()
	_, _, err = m.Count(context.Background(), asyncevents.EventsQueue, dlq.Filter{Text: "is in none of them"})
	must(b, err)
	f.add(time.Since(started).Seconds(), "count-all-s")
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
