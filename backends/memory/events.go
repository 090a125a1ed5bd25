package memory

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/internal/queue"
)

// events remembers what became of every event. It implements asyncevents.Store.
type events struct{ *state }

// Accept records an event and publishes its message, if it has one.
func (e *events) Accept(ctx context.Context, a asyncevents.Acceptance) (asyncevents.Receipt, error) {
	receipts, err := e.AcceptAll(ctx, []asyncevents.Acceptance{a})
	if err != nil {
		return asyncevents.Receipt{}, err
	}
	return receipts[0], nil
}

// AcceptAll records events and publishes their messages.
func (e *events) AcceptAll(ctx context.Context, acceptances []asyncevents.Acceptance) ([]asyncevents.Receipt, error) {
	if len(acceptances) == 0 {
		return nil, nil
	}
	messages := make([]waiting, len(acceptances))
	for i, a := range acceptances {
		if a.Message != nil {
			messages[i].item, messages[i].after = newItem(a.Message)
		}
	}
	if err := e.lock(ctx, "accept event %q", acceptances[0].CorrelationID); err != nil {
		return nil, err
	}
	defer e.mu.Unlock()
	receipts := make([]asyncevents.Receipt, len(acceptances))
	for i := range acceptances {
		receipts[i] = e.accept(&acceptances[i], messages[i])
	}
	return receipts, nil
}

// accept records an event. The caller holds the lock.
func (e *events) accept(a *asyncevents.Acceptance, message waiting) asyncevents.Receipt {
	if record := e.events[a.CorrelationID]; record != nil {
		return asyncevents.Receipt{Known: true, BodyHash: record.BodyHash, Status: e.status(record)}
	}
	e.events[a.CorrelationID] = &asyncevents.Record{
		CorrelationID: a.CorrelationID,
		BodyHash:      a.BodyHash,
		Status:        asyncevents.StatusQueued,
		CreatedAt:     a.AcceptedAt.UTC(),
		UpdatedAt:     a.AcceptedAt.UTC(),
	}
	if message.item != nil {
		e.publish(a.Topic, time.Now(), message)
	}
	return asyncevents.Receipt{}
}

// Withdraw removes the record of an event that went nowhere.
func (e *events) Withdraw(ctx context.Context, correlationID string) error {
	if err := e.lock(ctx, "withdraw event %q", correlationID); err != nil {
		return err
	}
	defer e.mu.Unlock()
	record := e.events[correlationID]
	if record != nil && record.Status == asyncevents.StatusQueued && record.Attempts == 0 {
		delete(e.events, correlationID)
	}
	return nil
}

// Find returns the record of an event.
func (e *events) Find(ctx context.Context, correlationID string) (asyncevents.Record, error) {
	if err := e.lock(ctx, "find event %q", correlationID); err != nil {
		return asyncevents.Record{}, err
	}
	defer e.mu.Unlock()
	stored := e.events[correlationID]
	if stored == nil {
		return asyncevents.Record{}, fmt.Errorf("memory: find event %q: %w", correlationID, asyncevents.ErrNotFound)
	}
	record := *stored
	record.Response = bytes.Clone(stored.Response)
	record.History, record.Callback.History = slices.Clone(stored.History), slices.Clone(stored.Callback.History)
	record.Status = e.status(stored)
	return record, nil
}

// status is where an event stands. The caller holds the lock.
func (e *events) status(record *asyncevents.Record) asyncevents.Status {
	if record.Status == asyncevents.StatusFailed && e.exported(record.CorrelationID) {
		return asyncevents.StatusExported
	}
	return record.Status
}

// exported is whether the event stands in its DLQ and an export contains it. The caller holds the lock.
func (s *state) exported(correlationID string) bool {
	q := s.dlq(asyncevents.EventsQueue)
	id, dead := q.byMessage[correlationID]
	return dead && id <= q.exportedUpTo
}

// Settle records the outcome of an attempt.
func (e *events) Settle(ctx context.Context, settlement asyncevents.Settlement) error {
	o := newOutcome(settlement)
	if err := e.lock(ctx, "settle event %q", settlement.CorrelationID); err != nil {
		return err
	}
	defer e.mu.Unlock()
	now := time.Now()
	if !e.settleDelivered(ctx, o.claim, now) {
		return fmt.Errorf("memory: settle event %q: %w", settlement.CorrelationID, asyncevents.ErrNotHeld)
	}
	if o.letter != nil {
		e.bury(o.letter, now)
	}
	if o.publish.item != nil {
		e.publish(settlement.PublishTopic, now, o.publish)
	}
	if record := e.events[settlement.CorrelationID]; record != nil {
		o.record(record, now)
	}
	if at := slices.IndexFunc(e.jobs[o.Queue], func(j *leasedJob) bool { return j.ID == o.Job }); at >= 0 {
		o.CountFor(&e.jobs[o.Queue][at].Outcome)
	}
	return nil
}

// outcome is a settlement, copied and made ready before the critical section.
type outcome struct {
	asyncevents.Settlement
	claim   queue.Settlement
	letter  *deadLetter
	publish waiting
}

func newOutcome(s asyncevents.Settlement) *outcome {
	o := &outcome{Settlement: s, claim: queue.Settlement{Outcome: queue.Done}}
	o.Response, o.History = bytes.Clone(s.Response), slices.Clone(s.History)
	if s.Again != nil {
		o.claim = queue.LaterFrom(0, 0, s.Again.After, s.Again.Metadata)
	}
	if s.DeadLetter != nil {
		o.letter = newDeadLetter(s.DeadLetter)
	}
	if s.Publish != nil {
		o.publish.item, o.publish.after = newItem(s.Publish)
	}
	return o
}

// isLate is whether a later attempt was recorded before one that is tried again: it has nothing to say any more.
func (o *outcome) isLate(r *asyncevents.Record) bool {
	recorded := r.Attempts
	if o.Queue == asyncevents.CallbacksQueue {
		recorded = r.Callback.Attempts
	}
	return o.Again != nil && recorded > o.Attempts
}

// record changes what is known of the event.
func (o *outcome) record(r *asyncevents.Record, now time.Time) {
	var next time.Time
	if o.Again != nil {
		next = now.Add(o.Again.After).UTC()
	}
	if o.isLate(r) {
		return
	}
	if o.Queue == asyncevents.CallbacksQueue {
		r.Callback.Attempts, r.Callback.NextAttemptAt, r.Callback.UpdatedAt = o.Attempts, next, now.UTC()
		if o.History != nil {
			r.Callback.History = o.History
		}
		if o.Again == nil {
			r.Callback.Status = o.Callback
		}
		return
	}
	r.Attempts, r.NextAttemptAt, r.UpdatedAt = o.Attempts, next, now.UTC()
	if o.History != nil {
		r.History = o.History
	}
	if o.Again != nil {
		return
	}
	r.Status, r.Response = o.Status, o.Response
	if o.Callback != asyncevents.CallbackNone {
		r.Callback.Status, r.Callback.UpdatedAt = o.Callback, now.UTC()
	}
}
