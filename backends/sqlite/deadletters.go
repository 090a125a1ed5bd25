package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/internal/queue"
	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/retry"
)

const (
	insertDeadLetter = `
		INSERT INTO dead_letters (id, dlq, redrives, created_at, accepted_at, topic, message_id, correlation_id,
		                          error_type, error_message, error_stack, metadata, history, payload)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (dlq, message_id) DO NOTHING`
	selectEntries = `
		SELECT d.id, d.redrives, d.created_at, d.accepted_at, d.topic, d.message_id, d.correlation_id,
		       d.error_type, d.error_message, d.error_stack, d.metadata, d.history, d.payload, d.id <= q.exported_up_to
		FROM dead_letters d JOIN dlqs q ON q.id = ?
		WHERE d.id > ? AND d.id <= ? ORDER BY d.id LIMIT ?`
	selectEntryTopics = `SELECT id, topic FROM dead_letters WHERE id > ? AND id <= ? ORDER BY id LIMIT ?`
	selectNamedTopics = `SELECT id, topic FROM dead_letters WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id`
	selectNewest      = `SELECT coalesce(max(id), 0) FROM dead_letters WHERE id > ? AND id < ?`
	selectOldestAt    = `SELECT created_at FROM dead_letters WHERE id > ? AND id < ? ORDER BY id LIMIT 1`

	// What a redrive moves is one topic's entries between two ids. The new ids keep the distances of the old ones.
	redriveMessages = `
		INSERT INTO messages (id, redrives, uuid, metadata, history, payload)
		SELECT id + ?, redrives + 1, message_id, metadata, history, payload
		FROM dead_letters WHERE id BETWEEN ? AND ? AND topic = ?`
	redriveEvents = `
		UPDATE events SET status = 'retried', next_attempt_at = 0, updated_at = ? WHERE correlation_id IN (
			SELECT correlation_id FROM dead_letters WHERE id BETWEEN ? AND ? AND topic = ?)`
	redriveCallbacks = `
		UPDATE events SET callback = 'pending', callback_next_at = 0, callback_updated_at = ? WHERE correlation_id IN (
			SELECT correlation_id FROM dead_letters WHERE id BETWEEN ? AND ? AND topic = ?)`
	deleteEntries = `DELETE FROM dead_letters WHERE id BETWEEN ? AND ? AND topic = ?`
	creditJob     = `UPDATE retry_jobs SET moved = moved + ?, batch_moved = batch_moved + ? WHERE queue = ? AND id = ?` //nolint:gosec // no credentials
	eraseEntries  = `
		DELETE FROM dead_letters WHERE id IN (SELECT id FROM dead_letters WHERE id > ? AND id <= ? ORDER BY id LIMIT ?)`
	markExported = `UPDATE dlqs SET exported_up_to = max(exported_up_to, ?) WHERE id = ?`
)

// deadLetterStore implements dlq.Store.
type deadLetterStore struct {
	db    *database
	queue *queueDriver
}

// Add implements dlq.Store.
func (s *deadLetterStore) Add(ctx context.Context, entry dlq.Entry) error {
	claim, _ := queue.ClaimFrom(ctx, s.queue)
	held := true
	err := s.db.write(ctx, func(t *tx) error {
		held = true
		if claim != nil {
			done, err := t.settle([]queue.Settlement{{ID: claim.ID, Owner: claim.Owner, Outcome: queue.Done}})
			if err != nil {
				return err
			}
			if held = done[0]; !held {
				return nil
			}
		}
		return t.addDeadLetters([]dlq.Entry{entry})
	})
	switch {
	case err != nil:
		return fmt.Errorf("sqlite: add dead letter %s: %w", entry.MessageID, err)
	case claim == nil:
		return nil
	}
	claim.MarkSettled()
	if !held {
		return fmt.Errorf("sqlite: add dead letter %s: %w", entry.MessageID, dlq.ErrNotHeld)
	}
	return nil
}

func (t *tx) addDeadLetters(entries []dlq.Entry) error {
	for _, e := range entries {
		if e.CorrelationID == "" {
			e.CorrelationID = e.MessageID
		}
		q, err := t.dlq(e.Queue)
		if err != nil {
			return err
		}
		metadata, err := encodeMetadata(redriveMetadata(e))
		if err != nil {
			return err
		}
		payload := e.Payload
		if payload == nil {
			payload = []byte{}
		}
		n, err := t.exec(insertDeadLetter, q.base()+q.last+1, q.id, e.Redrives, time.Now().UnixMicro(), micros(e.AcceptedAt),
			e.Topic, e.MessageID, e.CorrelationID, e.Failure.Type, e.Failure.Message, e.Failure.Stack,
			metadata, e.Attempts.String(), payload)
		if err != nil {
			return err
		}
		if _, err := t.exec(updateDLQ, n, n, q.id); err != nil {
			return err
		}
	}
	return nil
}

// redriveMetadata is what a redriven message carries: its own metadata, and what an entry has in columns of its own.
func redriveMetadata(e dlq.Entry) message.Metadata {
	metadata := maps.Clone(e.Metadata)
	if metadata == nil {
		metadata = map[string]string{}
	}
	if !e.AcceptedAt.IsZero() {
		metadata[retry.MetadataAcceptedAt] = e.AcceptedAt.UTC().Format(time.RFC3339Nano)
	}
	if e.CorrelationID != e.MessageID {
		metadata[retry.MetadataCorrelationID] = e.CorrelationID
	}
	return metadata
}

// List implements dlq.Store.
func (s *deadLetterStore) List(ctx context.Context, p dlq.ListParams) (entries []dlq.Entry, err error) {
	err = s.db.read(ctx, func(t *sql.Tx) error {
		q, err := look(ctx, t, selectDLQ, p.Queue)
		if err != nil || q.id == 0 {
			return err
		}
		for e, err := range entriesOf(ctx, t, q, p) {
			if err != nil {
				return err
			}
			entries = append(entries, e)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("sqlite: list the DLQ %q: %w", p.Queue, err)
	}
	return entries, nil
}

// entriesOf reads entries as they come, one at a time.
func entriesOf(ctx context.Context, t *sql.Tx, q counter, p dlq.ListParams) iter.Seq2[dlq.Entry, error] {
	after, upTo := q.base()+p.After, q.end()-1
	if p.UpTo > 0 {
		upTo = q.base() + min(p.UpTo, 1<<idBits-1)
	}
	if p.ID != 0 {
		after, upTo = q.base()+p.ID-1, q.base()+p.ID
	}
	return func(yield func(dlq.Entry, error) bool) {
		rows, err := t.QueryContext(ctx, selectEntries, q.id, after, upTo, p.Limit)
		if err != nil {
			yield(dlq.Entry{}, err)
			return
		}
		defer rows.Close()
		for rows.Next() {
			e, err := scanEntry(rows, q, p.Queue)
			if !yield(e, err) || err != nil {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(dlq.Entry{}, err)
		}
	}
}

func scanEntry(row scanner, q counter, name string) (dlq.Entry, error) {
	e := dlq.Entry{Queue: name}
	var created, accepted int64
	var metadata, history string
	err := row.Scan(&e.ID, &e.Redrives, &created, &accepted, &e.Topic, &e.MessageID, &e.CorrelationID,
		&e.Failure.Type, &e.Failure.Message, &e.Failure.Stack, &metadata, &history, &e.Payload, &e.Exported)
	if err != nil {
		return e, err
	}
	e.ID -= q.base()
	e.CreatedAt, e.AcceptedAt = fromMicros(created), fromMicros(accepted)
	own, err := decodeMetadata(metadata)
	if err != nil {
		return e, err
	}
	delete(own, retry.MetadataAcceptedAt)
	delete(own, retry.MetadataCorrelationID)
	e.Metadata = own
	e.Attempts, err = retry.ParseHistory(history)
	return e, err
}

// Redrive implements dlq.Store.
func (s *deadLetterStore) Redrive(ctx context.Context, p dlq.RedriveParams) (redriven dlq.Redriven, err error) {
	var spans []span
	err = s.db.write(ctx, func(t *tx) (err error) {
		redriven, spans, err = t.redrive(p)
		return err
	})
	if err != nil {
		return dlq.Redriven{}, fmt.Errorf("sqlite: redrive the DLQ %q: %w", p.Queue, err)
	}
	for _, sp := range spans {
		s.queue.bell.Ring(sp.topic)
	}
	return redriven, nil
}

// span is the entries of one topic between two ids, both included.
type span struct {
	topic       string
	first, last int64
}

// redrive moves entries back to where they came from, within the database: their payloads are not read.
func (t *tx) redrive(p dlq.RedriveParams) (redriven dlq.Redriven, spans []span, err error) {
	q, err := t.dlq(p.Queue)
	if err != nil {
		return redriven, nil, err
	}
	if spans, err = t.spans(q, p); err != nil {
		return redriven, nil, err
	}
	for _, sp := range spans {
		if p.Full {
			if redriven.Entries, err = t.appendEntries(redriven.Entries, q, p.Queue, sp); err != nil {
				return redriven, nil, err
			}
		}
		moved, err := t.moveBack(p.Queue, sp)
		if err != nil {
			return redriven, nil, err
		}
		redriven.Moved += moved
	}
	if redriven.Moved == 0 {
		return redriven, spans, nil
	}
	if _, err := t.exec(lessenDLQ, redriven.Moved, q.id); err != nil {
		return redriven, nil, err
	}
	if p.Job != "" {
		_, err = t.exec(creditJob, redriven.Moved, redriven.Moved, p.Queue, p.Job)
	}
	return redriven, spans, err
}

// spans returns what to move: the oldest entries as one span a topic, or each named entry on its own.
func (t *tx) spans(q counter, p dlq.RedriveParams) (spans []span, err error) {
	scan := func(row scanner) error {
		var id int64
		var topic string
		if err := row.Scan(&id, &topic); err != nil {
			return err
		}
		at := slices.IndexFunc(spans, func(sp span) bool { return sp.topic == topic })
		if at < 0 || p.IDs != nil {
			spans = append(spans, span{topic, id, id})
			return nil
		}
		spans[at].last = id
		return nil
	}
	if p.IDs == nil {
		err = t.query(scan, selectEntryTopics, q.base(), q.base()+min(p.UpTo, 1<<idBits-1), p.Limit)
		return spans, err
	}
	ids := make([]int64, 0, len(p.IDs))
	for _, id := range p.IDs {
		if id > 0 && id < 1<<idBits {
			ids = append(ids, q.base()+id)
		}
	}
	err = t.query(scan, selectNamedTopics, jsonList(ids))
	return spans, err
}

// appendEntries reads the entries of a span whole; only ever a few.
func (t *tx) appendEntries(entries []dlq.Entry, q counter, name string, sp span) ([]dlq.Entry, error) {
	err := t.query(func(row scanner) error {
		e, err := scanEntry(row, q, name)
		if e.Topic == sp.topic {
			entries = append(entries, e)
		}
		return err
	}, selectEntries, q.id, sp.first-1, sp.last, -1)
	return entries, err
}

func (t *tx) moveBack(queueName string, sp span) (moved int64, err error) {
	topic, err := t.topic(sp.topic)
	if err != nil {
		return 0, err
	}
	shift := topic.base() + topic.last + 1 - sp.first
	if moved, err = t.exec(redriveMessages, shift, sp.first, sp.last, sp.topic); err != nil {
		return 0, err
	}
	if _, err := t.exec(updateTopic, sp.last-sp.first+1, moved, topic.id); err != nil {
		return 0, err
	}
	now := time.Now().UnixMicro()
	switch queueName {
	case asyncevents.EventsQueue:
		_, err = t.exec(redriveEvents, now, sp.first, sp.last, sp.topic)
	case asyncevents.CallbacksQueue:
		_, err = t.exec(redriveCallbacks, now, sp.first, sp.last, sp.topic)
	}
	if err != nil {
		return 0, err
	}
	_, err = t.exec(deleteEntries, sp.first, sp.last, sp.topic)
	return moved, err
}

// Erase implements dlq.Store.
func (s *deadLetterStore) Erase(ctx context.Context, p dlq.EraseParams) (erased int64, err error) {
	err = s.db.write(ctx, func(t *tx) error {
		q, err := t.dlq(p.Queue)
		if err != nil {
			return err
		}
		erased, err = t.exec(eraseEntries, q.base(), q.base()+min(p.UpTo, 1<<idBits-1), p.Limit)
		if err != nil || erased == 0 {
			return err
		}
		_, err = t.exec(lessenDLQ, erased, q.id)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("sqlite: erase from the DLQ %q: %w", p.Queue, err)
	}
	return erased, nil
}

// Stat implements dlq.Store.
func (s *deadLetterStore) Stat(ctx context.Context, name string) (stats dlq.Stats, err error) {
	err = s.db.read(ctx, func(t *sql.Tx) (err error) {
		_, stats, err = statsOf(ctx, t, name)
		return err
	})
	if err != nil {
		return stats, fmt.Errorf("sqlite: count the DLQ %q: %w", name, err)
	}
	return stats, nil
}

func statsOf(ctx context.Context, t *sql.Tx, name string) (q counter, stats dlq.Stats, err error) {
	stats = dlq.Stats{Queue: name}
	if q, err = look(ctx, t, selectDLQ, name); err != nil || q.held == 0 {
		return q, stats, err
	}
	stats.Count = q.held
	if err := t.QueryRowContext(ctx, selectNewest, q.base(), q.end()).Scan(&stats.Newest); err != nil {
		return q, stats, err
	}
	stats.Newest -= q.base()
	var oldest int64
	if err := t.QueryRowContext(ctx, selectOldestAt, q.base(), q.end()).Scan(&oldest); err != nil {
		return q, stats, err
	}
	stats.OldestAt = fromMicros(oldest)
	return q, stats, nil
}

// Snapshot implements dlq.Store. A reading transaction of SQLite sees the database as it was when it began.
func (s *deadLetterStore) Snapshot(
	ctx context.Context, name string, read func(dlq.Stats, iter.Seq2[dlq.Entry, error]) error,
) error {
	err := s.db.read(ctx, func(t *sql.Tx) error {
		q, stats, err := statsOf(ctx, t, name)
		if err != nil {
			return err
		}
		return read(stats, entriesOf(ctx, t, q, dlq.ListParams{Queue: name, Limit: -1})) // a negative LIMIT is none
	})
	if err != nil {
		return fmt.Errorf("sqlite: read the DLQ %q: %w", name, err)
	}
	return nil
}

// MarkExported implements dlq.Store.
func (s *deadLetterStore) MarkExported(ctx context.Context, name string, upTo int64) error {
	err := s.db.write(ctx, func(t *tx) error {
		q, err := t.dlq(name)
		if err != nil {
			return err
		}
		_, err = t.exec(markExported, q.base()+upTo, q.id)
		return err
	})
	if err != nil {
		return fmt.Errorf("sqlite: mark the DLQ %q as exported: %w", name, err)
	}
	return nil
}
