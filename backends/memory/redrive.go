package memory

import (
	"bytes"
	"context"
	"time"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/dlq"
)

// Redrive moves entries back to their topics.
func (d *deadLetters) Redrive(ctx context.Context, p dlq.RedriveParams) (redriven dlq.Redriven, err error) {
	err = d.inSteps(ctx, "redrive DLQ %q", p.Queue, p.Selection, func(taken []*deadLetter) {
		d.moveBack(p, taken)
		redriven.Moved += int64(len(taken))
		for _, letter := range taken {
			if p.Full {
				redriven.Entries = append(redriven.Entries, letter.shown(0))
			}
		}
	})
	if err != nil && redriven.Moved == 0 {
		return dlq.Redriven{}, err
	}
	return redriven, nil // with something moved, that is the answer: an error would say that nothing was changed
}

// moveBack publishes what was taken out of a DLQ. The caller holds the lock.
func (s *state) moveBack(p dlq.RedriveParams, taken []*deadLetter) {
	now := time.Now()
	for i, letter := range taken {
		if p.Edit != nil {
			letter = s.edit(letter, p.Edit, now)
			taken[i] = letter
		}
		s.publish(letter.entry.Topic, now, waiting{item: letter.redriven(&p, now)})
		s.noteRedrive(&letter.entry, now)
	}
	s.credit(p.Queue, p.Job, int64(len(taken)))
}

// edit keeps a letter as it was in another DLQ, and returns it with another payload. The caller holds the lock.
func (s *state) edit(letter *deadLetter, edit *dlq.Edit, now time.Time) *deadLetter {
	kept, edited := *letter, *letter
	kept.entry.Queue = edit.Kept
	s.bury(&kept, now)
	edited.entry.Payload = bytes.Clone(edit.Payload)
	return &edited
}

// noteRedrive tells the record of the event, where there is one, that it or its callback waits again.
func (s *state) noteRedrive(entry *dlq.Entry, now time.Time) {
	switch entry.Queue {
	case asyncevents.EventsQueue:
		if record := s.events[entry.MessageID]; record != nil {
			record.Status = asyncevents.StatusRetried
			record.NextAttemptAt = time.Time{}
			record.UpdatedAt, record.RedrivenAt = now.UTC(), now.UTC()
		}
	case asyncevents.CallbacksQueue:
		if record := s.events[entry.CorrelationID]; record != nil {
			record.Callback.Status = asyncevents.CallbackPending
			record.Callback.NextAttemptAt = time.Time{}
			record.Callback.UpdatedAt, record.Callback.RedrivenAt = now.UTC(), now.UTC()
		}
	}
}
