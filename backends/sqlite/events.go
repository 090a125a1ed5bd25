package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/internal/gather"
	"github.com/redrive-go/redrive/backends/internal/queue"
	"github.com/redrive-go/redrive/dlq"
)

// maxEventBatch bounds how many calls of Accept or Settle share one unit of work: while one half of 256 callers is
// written, the other half gets its next ones ready.
const maxEventBatch = 128

const (
	insertEvents = `
		INSERT INTO events (correlation_id, body_hash, status, created_at, updated_at) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT DO NOTHING`
	selectHashes = `
		SELECT correlation_id, body_hash FROM events WHERE correlation_id IN (SELECT value FROM json_each(?))`
	selectEvent = `
		SELECT e.body_hash, e.status, e.attempts, e.next_attempt_at, e.response, e.created_at, e.updated_at,
		       e.callback, e.callback_attempts, e.callback_next_at, e.callback_updated_at,
		       coalesce((SELECT d.id <= q.exported_up_to FROM dlqs q JOIN dead_letters d ON d.dlq = q.id
		                 WHERE q.name = 'events' AND d.message_id = e.correlation_id), 0)
		FROM events e WHERE e.correlation_id = ?`
	updateEvent = `
		UPDATE events SET status = ?, attempts = ?, next_attempt_at = ?, response = ?, updated_at = ? WHERE correlation_id = ?`
	updateWaitingEvent = `
		UPDATE events SET attempts = ?, next_attempt_at = ?, updated_at = ? WHERE correlation_id = ?`
	updateCallback = `
		UPDATE events SET callback = ?, callback_attempts = ?, callback_next_at = ?, callback_updated_at = ?
		WHERE correlation_id = ?`
	updateWaitingCallback = `
		UPDATE events SET callback_attempts = ?, callback_next_at = ?, callback_updated_at = ? WHERE correlation_id = ?`
)

// eventStore implements asyncevents.Store.
type eventStore struct {
	db       *database
	queue    *queueDriver
	accepts  *gather.Gatherer[*accepting]
	outcomes *gather.Gatherer[*settling]
}

// accepting is an Acceptance with the place for its answer.
type accepting struct {
	asyncevents.Acceptance
	message outgoing
	receipt asyncevents.Receipt
}

// settling is a Settlement with the claim that it ends, if any, and the place for its answer.
type settling struct {
	asyncevents.Settlement
	claim   *queue.Claim
	publish []outgoing
	lost    bool
}

func newEventStore(db *database, driver *queueDriver) *eventStore {
	s := &eventStore{db: db, queue: driver}
	s.accepts = gather.New(maxEventBatch, 1, s.flushAccepts)
	s.outcomes = gather.New(maxEventBatch, 1, s.flushOutcomes)
	return s
}

// Accept implements asyncevents.Store.
func (s *eventStore) Accept(ctx context.Context, a asyncevents.Acceptance) (asyncevents.Receipt, error) {
	message, err := newOutgoing(a.Topic, a.Message)
	if err != nil {
		return asyncevents.Receipt{}, fmt.Errorf("sqlite: accept event %s: %w", a.CorrelationID, err)
	}
	call := &accepting{Acceptance: a, message: message}
	if err := join(ctx, s.accepts, call); err != nil {
		return asyncevents.Receipt{}, fmt.Errorf("sqlite: accept event %s: %w", a.CorrelationID, err)
	}
	return call.receipt, nil
}

// join hands a call to the next flush, unless its context has ended already. One that ends later is too late: the flush
// is shared.
func join[T any](ctx context.Context, g *gather.Gatherer[T], call T) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return g.Do(call)
}

func (s *eventStore) flushAccepts(batch []*accepting) []error {
	var published []outgoing
	accept := func(choose func(*tx) ([]*accepting, error)) error {
		return s.db.write(context.Background(), func(t *tx) error {
			fresh, err := choose(t)
			if err == nil {
				published, err = t.accept(fresh)
			}
			return err
		})
	}
	// As good as always all of them are new, and nothing needs to be looked up.
	err := accept(func(*tx) ([]*accepting, error) { return batch, nil })
	if errors.Is(err, errKnown) {
		err = accept(func(t *tx) ([]*accepting, error) { return t.unknown(batch) })
	}
	if err != nil {
		return gather.Fail(len(batch), err)
	}
	s.queue.ring(published)
	return nil
}

// errKnown is returned by accept when one of the correlation ids is known.
var errKnown = errors.New("known correlation id")

// accept records new events and publishes their messages.
func (t *tx) accept(batch []*accepting) ([]outgoing, error) {
	inserted, err := t.insertEvents(batch)
	if err != nil {
		return nil, err
	}
	if inserted < int64(len(batch)) {
		return nil, errKnown
	}
	published := make([]outgoing, len(batch))
	for i, a := range batch {
		published[i] = a.message
	}
	return published, t.publish(byTopic(published))
}

func (t *tx) insertEvents(batch []*accepting) (int64, error) {
	args := make([]any, 0, 5*len(batch))
	for _, a := range batch {
		at := micros(a.AcceptedAt)
		args = append(args, a.CorrelationID, a.BodyHash[:], string(asyncevents.StatusQueued), at, at)
	}
	return t.insertMany(insertEvents, 5, args)
}

// unknown answers the calls whose correlation id is recorded already, or stands earlier in the batch, and returns the
// others.
func (t *tx) unknown(batch []*accepting) (fresh []*accepting, err error) {
	ids := make([]string, len(batch))
	for i, a := range batch {
		ids[i] = a.CorrelationID
	}
	known := map[string][32]byte{}
	err = t.query(func(row scanner) error {
		var id string
		var hash []byte
		if err := row.Scan(&id, &hash); err != nil {
			return err
		}
		known[id] = [32]byte(hash)
		return nil
	}, selectHashes, jsonList(ids))
	if err != nil {
		return nil, err
	}
	for _, a := range batch {
		a.receipt = asyncevents.Receipt{}
		hash, ok := known[a.CorrelationID]
		if !ok {
			known[a.CorrelationID] = a.BodyHash
			fresh = append(fresh, a)
			continue
		}
		a.receipt = asyncevents.Receipt{Known: true, BodyHash: hash}
	}
	return fresh, nil
}

// Find implements asyncevents.Store.
func (s *eventStore) Find(ctx context.Context, id string) (asyncevents.Record, error) {
	r := asyncevents.Record{CorrelationID: id}
	var hash, response []byte
	var next, created, updated, callbackNext, callbackUpdated int64
	var exported bool
	err := s.db.readers.QueryRowContext(ctx, selectEvent, id).Scan(
		&hash, &r.Status, &r.Attempts, &next, &response, &created, &updated,
		&r.Callback.Status, &r.Callback.Attempts, &callbackNext, &callbackUpdated, &exported)
	if errors.Is(err, sql.ErrNoRows) {
		err = asyncevents.ErrNotFound
	}
	if err != nil {
		return asyncevents.Record{}, fmt.Errorf("sqlite: find event %s: %w", id, err)
	}
	copy(r.BodyHash[:], hash)
	r.Response = json.RawMessage(response)
	r.NextAttemptAt, r.CreatedAt, r.UpdatedAt = fromMicros(next), fromMicros(created), fromMicros(updated)
	r.Callback.NextAttemptAt, r.Callback.UpdatedAt = fromMicros(callbackNext), fromMicros(callbackUpdated)
	if r.Status == asyncevents.StatusFailed && exported {
		r.Status = asyncevents.StatusExported
	}
	return r, nil
}

// Settle implements asyncevents.Store.
func (s *eventStore) Settle(ctx context.Context, settlement asyncevents.Settlement) error {
	call := &settling{Settlement: settlement}
	call.claim, _ = queue.ClaimFrom(ctx, s.queue)
	if settlement.Publish != nil {
		message, err := newOutgoing(settlement.PublishTopic, settlement.Publish)
		if err != nil {
			return fmt.Errorf("sqlite: settle event %s: %w", settlement.CorrelationID, err)
		}
		call.publish = []outgoing{message}
	}
	if err := join(ctx, s.outcomes, call); err != nil {
		return fmt.Errorf("sqlite: settle event %s: %w", settlement.CorrelationID, err)
	}
	if call.claim != nil {
		call.claim.MarkSettled()
	}
	if call.lost {
		return fmt.Errorf("sqlite: settle event %s: %w", settlement.CorrelationID, asyncevents.ErrNotHeld)
	}
	return nil
}

func (s *eventStore) flushOutcomes(batch []*settling) []error {
	var published []outgoing
	err := s.db.write(context.Background(), func(t *tx) (err error) {
		published, err = t.settleEvents(batch)
		return err
	})
	if err != nil {
		return gather.Fail(len(batch), err)
	}
	s.queue.ring(published)
	if slices.ContainsFunc(batch, func(c *settling) bool { return c.Again != nil }) {
		s.queue.ringConsumers()
	}
	return nil
}

// settleEvents ends the claims, and then records the outcomes of those that were still held.
func (t *tx) settleEvents(batch []*settling) (published []outgoing, err error) {
	var claims []queue.Settlement
	var claimed []*settling
	for _, s := range batch {
		s.lost = false
		if s.claim != nil {
			claims = append(claims, s.claimSettlement())
			claimed = append(claimed, s)
		}
	}
	held, err := t.settle(claims)
	if err != nil {
		return nil, err
	}
	for i := range held {
		claimed[i].lost = !held[i]
	}
	for _, s := range batch {
		if s.lost {
			continue
		}
		if err := t.recordOutcome(s); err != nil {
			return nil, err
		}
		published = append(published, s.publish...)
	}
	return published, t.publish(byTopic(published))
}

// claimSettlement is what becomes of the message that the settling claim holds.
func (s *settling) claimSettlement() queue.Settlement {
	if s.Again == nil {
		return queue.Settlement{ID: s.claim.ID, Owner: s.claim.Owner, Outcome: queue.Done}
	}
	return queue.LaterFrom(s.claim.ID, s.claim.Owner, s.Again.After, s.Again.Metadata)
}

func (t *tx) recordOutcome(s *settling) (err error) {
	now := time.Now()
	var next int64
	if s.Again != nil {
		next = now.Add(s.Again.After).UnixMicro()
	}
	switch {
	case s.Queue == asyncevents.CallbacksQueue && s.Again != nil:
		_, err = t.exec(updateWaitingCallback, s.Attempts, next, now.UnixMicro(), s.CorrelationID)
	case s.Queue == asyncevents.CallbacksQueue:
		_, err = t.exec(updateCallback, string(s.Callback), s.Attempts, next, now.UnixMicro(), s.CorrelationID)
	case s.Again != nil:
		_, err = t.exec(updateWaitingEvent, s.Attempts, next, now.UnixMicro(), s.CorrelationID)
	default:
		_, err = t.exec(updateEvent, string(s.Status), s.Attempts, 0, []byte(s.Response), now.UnixMicro(), s.CorrelationID)
	}
	if err == nil && s.Queue == asyncevents.EventsQueue && s.Callback != asyncevents.CallbackNone {
		_, err = t.exec(updateCallback, string(s.Callback), 0, 0, now.UnixMicro(), s.CorrelationID)
	}
	if err == nil && s.DeadLetter != nil {
		err = t.addDeadLetters([]dlq.Entry{*s.DeadLetter})
	}
	return err
}
