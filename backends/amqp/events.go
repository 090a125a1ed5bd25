package amqp

import (
	"context"
	"fmt"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/internal/apart"
	"github.com/redrive-go/redrive/backends/internal/queue"
	"github.com/redrive-go/redrive/dlq"
)

// events is the store of events, which also ends the message that an outcome belongs to. It implements asyncevents.Store.
type events struct {
	*apart.Events
	broker *broker
}

// Settle records an outcome, and then acknowledges the message: one that comes again in between is known to be left over. What is
// tried again is published before that is recorded, so that no attempt counts as ended which nothing follows.
func (e *events) Settle(ctx context.Context, settlement asyncevents.Settlement) error {
	claim := queue.Settlement{Outcome: queue.Done}
	if settlement.Again != nil {
		claim = queue.LaterFrom(0, 0, settlement.Again.After, settlement.Again.Metadata)
	}
	err := e.broker.settle(ctx, claim, settlement.DeadLetter != nil, func() error { return e.Events.Settle(ctx, settlement) })
	if err != nil {
		return fmt.Errorf("amqp: settle event %s: %w", settlement.CorrelationID, err)
	}
	return nil
}

// deadLetters is the store of dead letters, which also ends the message that becomes one. It implements dlq.Store.
type deadLetters struct {
	dlq.Store
	broker *broker
}

// Add implements dlq.Store.
func (d *deadLetters) Add(ctx context.Context, entry dlq.Entry) error {
	err := d.broker.settle(ctx, queue.Settlement{Outcome: queue.Done}, true, func() error { return d.Store.Add(ctx, entry) })
	if err != nil {
		return fmt.Errorf("amqp: add message %s to DLQ %q: %w", entry.MessageID, entry.Queue, err)
	}
	return nil
}

// settle ends the claim on the message whose context is ctx, if this broker delivered it, and records what came of it.
func (b *broker) settle(ctx context.Context, settlement queue.Settlement, dead bool, record func() error) error {
	claim, ok := queue.ClaimOf(ctx)
	if !ok {
		return record()
	}
	s, ok := claim.Driver.(*stream)
	if !ok || s.broker != b {
		return record()
	}
	s.settling.RLock()
	defer s.settling.RUnlock()
	l, held := s.begin(claim.ID, claim.Owner)
	if !held {
		claim.MarkSettled()
		return asyncevents.ErrNotHeld
	}
	overtaken, err := s.conclude(ctx, l, settlement, dead, record)
	if err != nil {
		s.abort(l)
		return err
	}
	s.finish(l)
	claim.MarkSettled()
	if overtaken {
		return asyncevents.ErrNotHeld
	}
	return nil
}

// conclude publishes what follows a letter, and records what came of it, unless that is overtaken: a copy of the message has been
// settled already, and only the broker did not get to know. A second copy ends there, so that it does not go on beside the first
// through all attempts.
func (s *stream) conclude(
	ctx context.Context, l *letter, settlement queue.Settlement, dead bool, record func() error,
) (overtaken bool, err error) {
	if dead || l.suspect() {
		if overtaken, err = s.leftOver(ctx, l); overtaken || err != nil {
			return overtaken, err
		}
	}
	if errs := s.follow([]*letter{l}, []queue.Settlement{settlement}); errs != nil {
		return false, errs[0]
	}
	return false, record()
}
