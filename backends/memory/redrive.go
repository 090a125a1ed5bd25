package memory

import (
	"context"
	"fmt"
	"time"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/dlq"
)

// Redrive moves entries back to their topics.
func (d *deadLetters) Redrive(ctx context.Context, p dlq.RedriveParams) (dlq.Redriven, error) {
	moved, err := d.redrive(ctx, p)
	if err != nil {
		return dlq.Redriven{}, err
	}
	redriven := dlq.Redriven{Moved: int64(len(moved))}
	if p.Full {
		for _, letter := range moved {
			redriven.Entries = append(redriven.Entries, letter.shown(0))
		}
	}
	return redriven, nil
}

// redrive moves in steps. A caller that goes away meanwhile learns what was moved until then.
func (d *deadLetters) redrive(ctx context.Context, p dlq.RedriveParams) (moved []*deadLetter, err error) {
	left := len(p.IDs)
	if left == 0 {
		left = p.Limit
	}
	if left <= 0 {
		return nil, fmt.Errorf("memory: redrive DLQ %q: Limit must be positive, not %d", p.Queue, p.Limit)
	}
	for done := 0; left > 0; {
		step := min(left, stepSize)
		if err := d.lock(ctx, "redrive DLQ %q", p.Queue); err != nil {
			if len(moved) > 0 {
				return moved, nil
			}
			return nil, err
		}
		taken := d.redriveStep(p, done, step)
		d.mu.Unlock()
		moved = append(moved, taken...)
		done, left = done+step, left-step
		if len(p.IDs) == 0 && len(taken) < step {
			break
		}
	}
	return moved, nil
}

// redriveStep moves the named ones from place done, or else the oldest, at most step of them. The caller holds the
// lock, here and below.
func (s *state) redriveStep(p dlq.RedriveParams, done, step int) []*deadLetter {
	q := s.dlq(p.Queue)
	var taken []*deadLetter
	if len(p.IDs) == 0 {
		taken = s.takeOldest(q, p.UpTo, step)
	} else {
		for _, id := range p.IDs[done : done+step] {
			if letter := s.take(q, id); letter != nil {
				taken = append(taken, letter)
			}
		}
	}
	now := time.Now()
	for _, letter := range taken {
		s.publish(letter.entry.Topic, now, waiting{item: letter.redriven()})
		s.noteRedrive(&letter.entry, now)
	}
	s.credit(p.Queue, p.Job, int64(len(taken)))
	return taken
}

// noteRedrive tells the record of the event, where there is one, that it or its callback waits again.
func (s *state) noteRedrive(entry *dlq.Entry, now time.Time) {
	switch entry.Queue {
	case asyncevents.EventsQueue:
		if record := s.events[entry.MessageID]; record != nil {
			record.Status = asyncevents.StatusRetried
			record.NextAttemptAt = time.Time{}
			record.UpdatedAt = now.UTC()
		}
	case asyncevents.CallbacksQueue:
		if record := s.events[entry.CorrelationID]; record != nil {
			record.Callback.Status = asyncevents.CallbackPending
			record.Callback.NextAttemptAt = time.Time{}
			record.Callback.UpdatedAt = now.UTC()
		}
	}
}
