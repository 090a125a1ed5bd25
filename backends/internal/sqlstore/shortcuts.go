package sqlstore

import (
	"cmp"
	"context"
	"slices"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/internal/queue"
)

// Shortcuts are what a Dialect may be able to do in one statement that is a transaction of its own, for what happens all
// the time. Without them, and for everything else, there are transactions. One whose connection broke off is run again, and may
// then find done what it did itself.
type Shortcuts interface {
	// AcceptAll records new events, whose ids differ, and publishes the messages that they have in a topic. It returns which
	// of them were new; nothing happened to the others.
	AcceptAll(ctx context.Context, topic string, events []Acceptable) (fresh []bool, err error)
	// FinishAll removes claimed messages, and records that their events are done. It returns which of the claims were
	// still held; nothing happened to the others.
	FinishAll(ctx context.Context, claims []queue.Settlement, outcomes []*asyncevents.Settlement) (held []bool, err error)
}

// Acceptable is a new event whose message, if it has one, bears its id, was never delivered, and need not wait.
type Acceptable struct {
	CorrelationID string
	BodyHash      []byte
	AcceptedAt    int64
	Metadata      string
	Payload       []byte // nil where there is no message
}

// firstTopic is that of the first message in a batch, "" where there is none.
func firstTopic(batch []*accepting) string {
	for _, a := range batch {
		if a.Message != nil {
			return a.Topic
		}
	}
	return ""
}

// isFirst is whether the shortcut can do the call: it is the first in its batch with that id, and like most.
func (a *accepting) isFirst(topic string, seen map[string]struct{}) bool {
	_, again := seen[a.CorrelationID]
	seen[a.CorrelationID] = struct{}{}
	return !again && (a.Message == nil || a.isPlain(topic))
}

// isPlain is whether a call's message goes to the topic, and there is nothing to say of it but its content.
func (a *accepting) isPlain(topic string) bool {
	m := &a.message
	return m.Topic == topic && m.UUID == a.CorrelationID && m.Wait == 0 && m.Redrives == 0 && m.History == ""
}

// acceptQuickly accepts what is new, and notes what is known.
func (s *Events) acceptQuickly(ctx context.Context, topic string, batch []*accepting) error {
	events := make([]Acceptable, len(batch))
	for i, a := range batch {
		events[i] = Acceptable{a.CorrelationID, a.BodyHash[:], Micros(a.AcceptedAt), a.message.Metadata, a.message.Payload}
	}
	fresh, err := s.shortcuts.AcceptAll(ctx, topic, events)
	if err != nil {
		return err
	}
	published := false
	for i, a := range batch {
		a.known = !fresh[i]
		published = published || fresh[i] && a.Message != nil
	}
	if published {
		s.queue.RingTopic(topic)
	}
	return nil
}

// isFinish is whether a call only ends its message and says what became of its event.
func (c *settling) isFinish() bool {
	return c.claim != nil && c.Queue == asyncevents.EventsQueue && c.Again == nil && c.DeadLetter == nil && c.Publish == nil &&
		c.Job == "" && c.History == nil
}

// finish settles calls that the shortcut can do.
func (s *Events) finish(batch []*settling) error {
	// Two that settle the same messages, one of them too late, wait for each other in one order.
	slices.SortFunc(batch, func(a, b *settling) int { return cmp.Compare(a.claim.ID, b.claim.ID) })
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
