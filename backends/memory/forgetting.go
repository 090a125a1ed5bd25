package memory

import (
	"context"
	"time"

	"github.com/redrive-go/redrive/asyncevents"
)

// Forget removes the records of events that are long done, all in one step.
func (e *events) Forget(ctx context.Context, kept time.Duration, _ string) (next string, forgotten int, err error) {
	if err := e.lock(ctx, "forget events"); err != nil {
		return "", 0, err
	}
	defer e.mu.Unlock()
	dead := map[string]struct{}{}
	for _, q := range e.dlqs {
		for letter := range q.from(0) {
			dead[letter.entry.CorrelationID] = struct{}{}
		}
	}
	limit := time.Now().Add(-kept)
	for id, record := range e.events {
		if _, stands := dead[id]; !stands && isDone(record) && !record.UpdatedAt.After(limit) && !record.Callback.UpdatedAt.After(limit) {
			delete(e.events, id)
			forgotten++
		}
	}
	return "", forgotten, nil
}

// isDone is whether nothing is to come of an event, unless it stands in a DLQ.
func isDone(r *asyncevents.Record) bool {
	return r.Status != asyncevents.StatusQueued && r.Status != asyncevents.StatusRetried && r.Callback.Status != asyncevents.CallbackPending
}
