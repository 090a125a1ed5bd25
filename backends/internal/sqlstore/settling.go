package sqlstore

import (
	"context"
	"slices"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/internal/gather"
	"github.com/redrive-go/redrive/backends/internal/queue"
	"github.com/redrive-go/redrive/dlq"
)

// settling is a Settlement with the claim that it ends, if any, and the place for its answer.
type settling struct {
	asyncevents.Settlement
	answer
	claim   *queue.Claim
	publish []Outgoing
	lost    bool
}

func (s *Events) newSettling(ctx context.Context, settlement asyncevents.Settlement) (*settling, error) {
	call := &settling{Settlement: settlement}
	call.claim, _ = queue.ClaimFrom(ctx, s.queue)
	if settlement.Publish != nil {
		message, err := NewOutgoing(settlement.PublishTopic, settlement.Publish)
		if err != nil {
			return nil, err
		}
		call.publish = []Outgoing{message}
	}
	return call, nil
}

// Settle implements asyncevents.Store.
func (s *Events) Settle(ctx context.Context, settlement asyncevents.Settlement) error {
	return s.failure("settle", settlement.CorrelationID, s.settle(ctx, settlement))
}

func (s *Events) settle(ctx context.Context, settlement asyncevents.Settlement) error {
	call, err := s.newSettling(ctx, settlement)
	if err != nil {
		return err
	}
	outcomes := s.outcomes
	if call.claim != nil && call.claim.Touched() {
		// The host's transaction may still be open, and hold the message: nobody else should wait for that.
		outcomes = gather.New(1, 1, s.flushOutcomes)
	}
	err = join(ctx, outcomes, call)
	if err != nil {
		return err
	}
	if call.claim != nil {
		call.claim.MarkSettled()
	}
	if call.lost {
		return asyncevents.ErrNotHeld
	}
	return nil
}

func (s *Events) flushOutcomes(batch []*settling) []error {
	others := batch
	if s.shortcuts != nil {
		var finishes []*settling
		finishes, others = split(batch, (*settling).isFinish)
		each(finishes, s.finish)
	}
	each(others, s.settleTogether)
	return answers(batch)
}

func (s *Events) settleTogether(batch []*settling) error {
	var published []Outgoing
	err := s.db.Write(context.Background(), func(t Tx) (err error) {
		published, err = s.settleAll(t, batch)
		return err
	})
	if err != nil {
		return err
	}
	s.queue.Ring(published)
	if slices.ContainsFunc(batch, func(c *settling) bool { return c.Again != nil }) {
		s.queue.ringConsumers()
	}
	return nil
}

// settleAll ends the claims, and then records the outcomes of those that were still held. The rows of DLQs and retry jobs come last:
// others wait for them.
func (s *Events) settleAll(t Tx, batch []*settling) (published []Outgoing, err error) {
	held, err := s.endClaims(t, batch)
	if err != nil {
		return nil, err
	}
	if err := s.record(t, held); err != nil {
		return nil, err
	}
	var letters []dlq.Entry
	for _, c := range held {
		published = append(published, c.publish...)
		if c.DeadLetter != nil {
			letters = append(letters, *c.DeadLetter)
		}
	}
	if len(published) > 0 {
		if err := s.dialect.Publish(t, byTopic(published)); err != nil {
			return nil, err
		}
	}
	if err := s.letters.add(t, letters); err != nil {
		return nil, err
	}
	return published, countOutcomes(t, held)
}

// endClaims ends the claims that belong to the calls, and returns the calls whose claim was still held, or that
// have none.
func (s *Events) endClaims(t Tx, batch []*settling) (held []*settling, err error) {
	claims := make([]queue.Settlement, 0, len(batch))
	claimed := make([]*settling, 0, len(batch))
	for _, c := range batch {
		c.lost = false
		if c.claim != nil {
			claims = append(claims, c.claimSettlement())
			claimed = append(claimed, c)
		}
	}
	if len(claims) == 0 {
		return batch, nil
	}
	stand, err := s.dialect.Settle(t, claims)
	if err != nil {
		return nil, err
	}
	for i := range stand {
		claimed[i].lost = !stand[i]
	}
	held = make([]*settling, 0, len(batch))
	for _, c := range batch {
		if !c.lost {
			held = append(held, c)
		}
	}
	return held, nil
}

// claimSettlement is what becomes of the message that the settling claim holds.
func (c *settling) claimSettlement() queue.Settlement {
	if c.Again == nil {
		return queue.Settlement{ID: c.claim.ID, Owner: c.claim.Owner, Outcome: queue.Done}
	}
	return queue.LaterFrom(c.claim.ID, c.claim.Owner, c.Again.After, c.Again.Metadata)
}

func (s *Events) record(t Tx, batch []*settling) error {
	var events, callbacks []*asyncevents.Settlement
	for _, c := range batch {
		if c.Queue == asyncevents.CallbacksQueue {
			callbacks = append(callbacks, &c.Settlement)
		} else {
			events = append(events, &c.Settlement)
		}
	}
	if len(events) > 0 {
		if err := s.dialect.RecordEvents(t, events); err != nil {
			return err
		}
	}
	if len(callbacks) > 0 {
		return s.dialect.RecordCallbacks(t, callbacks)
	}
	return nil
}
