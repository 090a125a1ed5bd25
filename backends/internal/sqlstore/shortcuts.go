package sqlstore

import (
	"context"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/internal/queue"
)

// Shortcuts are what a Dialect may be able to do in one statement that is a transaction of its own, for what happens all
// the time. Without them, and for everything else, there are transactions.
type Shortcuts interface {
	// AcceptAll records new events, whose ids differ, and publishes their messages, without delays. It returns which of
	// them were new; nothing happened to the others.
	AcceptAll(ctx context.Context, events []Acceptable) (fresh []bool, err error)
	// FinishAll removes claimed messages, and records that their events are done. It returns which of the claims were
	// still held; nothing happened to the others.
	FinishAll(ctx context.Context, claims []queue.Settlement, outcomes []*asyncevents.Settlement) (held []bool, err error)
}

// Acceptable is a new event with its message.
type Acceptable struct {
	CorrelationID string
	BodyHash      []byte
	AcceptedAt    int64
	Message       Outgoing
}

// isFirst is whether the shortcut can do the call: it is the first in its batch with that id, and waits for nothing.
func (a *accepting) isFirst(seen map[string]struct{}) bool {
	_, again := seen[a.CorrelationID]
	seen[a.CorrelationID] = struct{}{}
	return !again && a.message.Wait == 0
}

// acceptQuickly accepts what is new, and notes what is known.
func (s *Events) acceptQuickly(batch []*accepting) error {
	events := make([]Acceptable, len(batch))
	for i, a := range batch {
		events[i] = Acceptable{a.CorrelationID, a.BodyHash[:], Micros(a.AcceptedAt), a.message}
	}
	return s.patience.within(func(ctx context.Context) error {
		fresh, err := s.shortcuts.AcceptAll(ctx, events)
		if err != nil {
			return err
		}
		last := ""
		for i, a := range batch {
			if a.known = !fresh[i]; !a.known && a.Topic != last {
				last = a.Topic
				s.queue.RingTopic(last)
			}
		}
		return nil
	})
}

// isFinish is whether a call only ends its message and says what became of its event.
func (c *settling) isFinish() bool {
	return c.claim != nil && c.Queue == asyncevents.EventsQueue && c.Again == nil && c.DeadLetter == nil && c.Publish == nil
}

// finish settles calls that the shortcut can do.
func (s *Events) finish(batch []*settling) error {
	claims, outcomes := make([]queue.Settlement, len(batch)), make([]*asyncevents.Settlement, len(batch))
	for i, c := range batch {
		claims[i], outcomes[i] = c.claimSettlement(), &c.Settlement
	}
	ctx, cancel := context.WithTimeout(context.Background(), WriteTimeout)
	defer cancel()
	held, err := s.shortcuts.FinishAll(ctx, claims, outcomes)
	for i := range held {
		batch[i].lost = !held[i]
	}
	return err
}
