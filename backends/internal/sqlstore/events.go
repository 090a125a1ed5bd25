package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/internal/gather"
	"github.com/redrive-go/redrive/retry"
)

// maxEventBatch bounds how many calls of Accept or Settle share one unit of work: while one half of 256 callers is
// written, the other half gets its next ones ready.
const maxEventBatch = 128

const (
	// exported is 1 for an event that stands in a DLQ, which is a parameter, and that an export contains.
	exported = `
		       coalesce((SELECT CASE WHEN d.id <= q.exported_up_to THEN 1 ELSE 0 END
		                 FROM {dlqs} q JOIN {dead_letters} d ON d.dlq = q.id
		                 WHERE q.name = ? AND d.message_id = e.correlation_id), 0)`
	selectEvent = `
		SELECT e.body_hash, e.status, e.attempts, e.next_attempt_at, e.response, e.created_at, e.updated_at,
		       coalesce(e.history, ''), e.redriven_at, e.callback, e.callback_attempts, e.callback_next_at, e.callback_updated_at,
		       coalesce(e.callback_history, ''), e.callback_redriven_at,` + exported + `
		FROM {events} e WHERE e.correlation_id = ?`
	selectReceipts = `
		SELECT e.correlation_id, e.body_hash, e.status,` + exported + `
		FROM {events} e WHERE e.correlation_id IN `
	withdrawEvent = `DELETE FROM {events} WHERE correlation_id = ? AND status = 'queued' AND attempts = 0`
)

// eventColumns are the columns of a new row in events.
var eventColumns = []string{"correlation_id", "body_hash", "status", "created_at", "updated_at"}

// Events implements asyncevents.Store and asyncevents.TxStore.
type Events struct {
	db        Database
	dialect   Dialect
	shortcuts Shortcuts // nil where the dialect has none
	waiting   Waiting   // nil unless the dialect is
	queue     *Queue
	letters   *DeadLetters
	accepts   *gather.Gatherer[*accepting]
	outcomes  *gather.Gatherer[*settling]
	alone     *stragglers // nil where one transaction writes at a time: then none waits for what another one holds
}

// accepting is an Acceptance with the place for its answer.
type accepting struct {
	asyncevents.Acceptance
	answer
	until   time.Time // how long its caller waits
	message Outgoing  // of no meaning where the Acceptance has none
	receipt asyncevents.Receipt
	known   bool // as the shortcut found out
}

// NewEvents returns the store of events, which writes in up to flushers transactions at once.
func NewEvents(db Database, dialect Dialect, q *Queue, letters *DeadLetters, flushers int) *Events {
	s := &Events{db: db, dialect: dialect, queue: q, letters: letters}
	s.shortcuts, _ = dialect.(Shortcuts)
	s.waiting, _ = dialect.(Waiting)
	if flushers > 1 {
		s.alone = newStragglers(flushers)
	}
	s.accepts = gather.New(maxEventBatch, flushers, s.flushAccepts)
	s.outcomes = gather.New(maxEventBatch, flushers, s.flushOutcomes)
	return s
}

// Accept implements asyncevents.Store.
func (s *Events) Accept(ctx context.Context, a asyncevents.Acceptance) (asyncevents.Receipt, error) {
	call, err := newAccepting(a)
	if err == nil {
		err = s.acceptSoon(ctx, call)
	}
	if err != nil {
		return asyncevents.Receipt{}, s.failure("accept", a.CorrelationID, err)
	}
	return call.receipt, nil
}

// AcceptAll implements asyncevents.Store, in one transaction.
func (s *Events) AcceptAll(ctx context.Context, acceptances []asyncevents.Acceptance) ([]asyncevents.Receipt, error) {
	if len(acceptances) == 0 {
		return nil, nil
	}
	batch := make([]*accepting, len(acceptances))
	for i, a := range acceptances {
		var err error
		if batch[i], err = newAccepting(a); err != nil {
			return nil, s.failure("accept", a.CorrelationID, err)
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callPatience) // whoever leaves could not know what became of them
	defer cancel()
	if err := s.acceptTogether(ctx, byCorrelationID(batch)); err != nil {
		return nil, fmt.Errorf("%s: accept %d events: %w", s.dialect.Name(), len(batch), err)
	}
	receipts := make([]asyncevents.Receipt, len(batch))
	for i, call := range batch {
		receipts[i] = call.receipt
	}
	return receipts, nil
}

func newAccepting(a asyncevents.Acceptance) (call *accepting, err error) {
	call = &accepting{Acceptance: a, until: time.Now().Add(callPatience)}
	if a.Message != nil {
		call.message, err = NewOutgoing(a.Topic, a.Message)
	}
	return call, err
}

// failure wraps err with what was done to which event.
func (s *Events) failure(what, id string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %s event %s: %w", s.dialect.Name(), what, id, err)
}

// acceptSoon accepts an event together with others, or alone where that has to be.
func (s *Events) acceptSoon(ctx context.Context, call *accepting) error {
	if s.alone == nil || !s.alone.suspect(call.CorrelationID) {
		err := join(ctx, s.accepts, call)
		if !errors.Is(err, errHeldUp) {
			return err
		}
	}
	return s.acceptAlone(call)
}

func (s *Events) acceptAlone(call *accepting) error {
	ctx, cancel := context.WithDeadline(context.Background(), call.until)
	defer cancel()
	return s.alone.try(ctx, call.CorrelationID, func(ctx context.Context) error {
		s.acceptAll(ctx, []*accepting{call})
		return call.err
	})
}

// errHeldUp is for the calls of a batch that was given up, because it waited for too long.
var errHeldUp = errors.New("held up by another call")

// flushAccepts accepts a batch, in less than the patience of its callers.
func (s *Events) flushAccepts(batch []*accepting) []error {
	most, split := callPatience, false
	if s.alone != nil {
		most, split = s.alone.patience()
	}
	ctx, cancel := limit(batch, most)
	defer cancel()
	began := time.Now()
	s.acceptAll(ctx, batch)
	if s.alone != nil {
		s.alone.flushed(time.Since(began), most, ctx.Err() != nil)
		s.triage(ctx, batch, split)
	}
	return answers(batch)
}

// triage counts the calls of a batch that the server answered, and has those tried alone that were late, if it is to be split.
func (s *Events) triage(ctx context.Context, batch []*accepting, split bool) {
	for _, a := range batch {
		switch late := isLate(ctx, a.err); {
		case late && split:
			a.err = errHeldUp
		case !late && !errors.Is(a.err, ErrUnavailable):
			s.alone.answered.Add(1)
		}
	}
}

// acceptAll accepts events in as few statements as can be.
func (s *Events) acceptAll(ctx context.Context, batch []*accepting) {
	others := byCorrelationID(batch)
	if s.shortcuts != nil {
		var firsts []*accepting
		seen := make(map[string]struct{}, len(batch))
		topic := firstTopic(batch)
		firsts, others = split(others, func(a *accepting) bool { return a.isFirst(topic, seen) })
		each(firsts, func(some []*accepting) error { return s.acceptQuickly(ctx, topic, some) })
		for _, a := range firsts {
			if a.known && a.err == nil {
				others = append(others, a)
			}
		}
	}
	each(others, func(some []*accepting) error { return s.acceptTogether(ctx, some) })
}

// byCorrelationID sorts calls, so that flushes here and elsewhere which have ids in common wait for each other in one order.
func byCorrelationID(batch []*accepting) []*accepting {
	return slices.SortedStableFunc(slices.Values(batch), func(a, b *accepting) int {
		return strings.Compare(a.CorrelationID, b.CorrelationID)
	})
}

func (s *Events) acceptTogether(ctx context.Context, batch []*accepting) error {
	var published []Outgoing
	accept := func(choose func(Tx) ([]*accepting, error)) error {
		return s.db.Write(ctx, func(t Tx) error {
			fresh, err := choose(t)
			if err == nil {
				published, err = s.acceptBriefly(t, fresh)
			}
			return err
		})
	}
	// As good as always all of them are new, and nothing needs to be looked up.
	err := accept(func(Tx) ([]*accepting, error) { return batch, nil })
	for tries := 0; errors.Is(err, errKnown) && tries < len(batch)+1; tries++ {
		err = accept(func(t Tx) ([]*accepting, error) { return unknown(t, batch) })
	}
	if err == nil {
		s.queue.Ring(published)
	}
	return err
}

// errKnown is returned by accept when one of the correlation ids is known. It may have become so since it was looked up.
var errKnown = errors.New("known correlation id")

// acceptBriefly is accept where a transaction that is given up must not stay in the way of others.
func (s *Events) acceptBriefly(t Tx, batch []*accepting) (published []Outgoing, err error) {
	if s.waiting == nil {
		return s.accept(t, batch)
	}
	err = s.waiting.WaitBriefly(t, func() (err error) {
		published, err = s.accept(t, batch)
		return err
	})
	return published, err
}

// accept records new events and publishes their messages, of those that have one.
func (s *Events) accept(t Tx, batch []*accepting) ([]Outgoing, error) {
	if len(batch) == 0 {
		return nil, nil
	}
	args := make([]any, 0, len(eventColumns)*len(batch))
	published := make([]Outgoing, 0, len(batch))
	for _, a := range batch {
		at := Micros(a.AcceptedAt)
		args = append(args, a.CorrelationID, a.BodyHash[:], string(asyncevents.StatusQueued), at, at)
		if a.Message != nil {
			published = append(published, a.message)
		}
	}
	inserted, err := s.dialect.Insert(t, "events", eventColumns, args)
	if err != nil {
		return nil, err
	}
	if inserted < int64(len(batch)) {
		return nil, errKnown
	}
	if len(published) == 0 {
		return nil, nil
	}
	return published, s.dialect.Publish(t, byTopic(published))
}

// unknown answers the calls whose correlation id is recorded already, or stands earlier in the batch, and returns the
// others.
func unknown(t Tx, batch []*accepting) (fresh []*accepting, err error) {
	known, err := receipts(t, batch)
	if err != nil {
		return nil, err
	}
	for _, a := range batch {
		receipt, ok := known[a.CorrelationID]
		a.receipt = receipt
		if !ok {
			known[a.CorrelationID] = asyncevents.Receipt{Known: true, BodyHash: a.BodyHash, Status: asyncevents.StatusQueued}
			fresh = append(fresh, a)
		}
	}
	return fresh, nil
}

// receipts are those of the events that are recorded, by their ids.
func receipts(t Tx, batch []*accepting) (known map[string]asyncevents.Receipt, err error) {
	ids := make([]any, len(batch))
	for i, a := range batch {
		ids[i] = a.CorrelationID
	}
	known = map[string]asyncevents.Receipt{}
	list, ids := List(ids)
	err = t.Query(func(row Scanner) error {
		var id, status string
		var hash []byte
		var exported int64
		if err := row.Scan(&id, &hash, &status, &exported); err != nil {
			return err
		}
		known[id] = asyncevents.Receipt{Known: true, BodyHash: [32]byte(hash), Status: statusOf(status, exported)}
		return nil
	}, selectReceipts+list, append([]any{asyncevents.EventsQueue}, ids...)...)
	return known, err
}

// statusOf is where an event stands, of which the row knows nothing of exports.
func statusOf(recorded string, exported int64) asyncevents.Status {
	if asyncevents.Status(recorded) == asyncevents.StatusFailed && exported == 1 {
		return asyncevents.StatusExported
	}
	return asyncevents.Status(recorded)
}

// List returns a list of parameters for values, of which the last is repeated until their number is a power of two: the
// fewer different statements there are, the more often one that is prepared can be used again.
func List(values []any) (string, []any) {
	n := 1
	for n < len(values) {
		n *= 2
	}
	for len(values) < n {
		values = append(values, values[len(values)-1])
	}
	return "(?" + strings.Repeat(", ?", n-1) + ")", values
}

// Withdraw implements asyncevents.Store.
func (s *Events) Withdraw(ctx context.Context, id string) error {
	err := s.db.Write(ctx, func(t Tx) error {
		_, err := t.Exec(withdrawEvent, id)
		return err
	})
	return s.failure("withdraw", id, err)
}

// Find implements asyncevents.Store.
func (s *Events) Find(ctx context.Context, id string) (r asyncevents.Record, err error) {
	err = s.db.Read(ctx, func(t Tx) (err error) {
		r, err = find(t, id)
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		err = asyncevents.ErrNotFound
	}
	if err != nil {
		return asyncevents.Record{}, s.failure("find", id, err)
	}
	return r, nil
}

func find(t Tx, id string) (asyncevents.Record, error) {
	r := asyncevents.Record{CorrelationID: id}
	var hash, response []byte
	var status, history, callback, callbackHistory string
	var next, created, updated, redriven, callbackNext, callbackUpdated, callbackRedriven, exported int64
	err := One(t, []any{
		&hash, &status, &r.Attempts, &next, &response, &created, &updated,
		&history, &redriven, &callback, &r.Callback.Attempts, &callbackNext, &callbackUpdated, &callbackHistory, &callbackRedriven, &exported,
	}, selectEvent, asyncevents.EventsQueue, id)
	if err != nil {
		return r, err
	}
	copy(r.BodyHash[:], hash)
	r.Status, r.Callback.Status = statusOf(status, exported), asyncevents.CallbackStatus(callback)
	r.Response = json.RawMessage(response)
	r.NextAttemptAt, r.CreatedAt, r.UpdatedAt = FromMicros(next), FromMicros(created), FromMicros(updated)
	r.Callback.NextAttemptAt, r.Callback.UpdatedAt = FromMicros(callbackNext), FromMicros(callbackUpdated)
	r.RedrivenAt, r.Callback.RedrivenAt = FromMicros(redriven), FromMicros(callbackRedriven)
	if r.History, err = retry.ParseHistory(history); err == nil {
		r.Callback.History, err = retry.ParseHistory(callbackHistory)
	}
	return r, err
}
