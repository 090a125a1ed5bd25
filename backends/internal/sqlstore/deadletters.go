package sqlstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/redrive-go/redrive/backends/internal/queue"
	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/retry"
)

const (
	selectNewest   = `SELECT id FROM {dead_letters} WHERE id > ? AND id <= ? ORDER BY id DESC LIMIT 1`
	selectOldestAt = `SELECT created_at FROM {dead_letters} WHERE id > ? AND id <= ? ORDER BY id LIMIT 1`
	markExported   = `UPDATE {dlqs} SET exported_up_to = ? WHERE id = ? AND exported_up_to < ?`
)

// letterColumns are the columns of dead_letters.
var letterColumns = []string{
	"id", "dlq", "redrives", "created_at", "accepted_at", "signature", "job", "topic", "message_id", "correlation_id",
	"error_type", "error_message", "error_stack", "metadata", "history", "payload",
}

// everything is a limit that no DLQ reaches.
const everything = 1<<31 - 1

// DeadLetters implements dlq.Store.
type DeadLetters struct {
	db        Database
	dialect   Dialect
	spreading Spreading // nil where the dialect is not
	queue     *Queue
	floors    floors
}

// NewDeadLetters returns the store of dead letters.
func NewDeadLetters(db Database, dialect Dialect, q *Queue) *DeadLetters {
	spreading, _ := dialect.(Spreading)
	return &DeadLetters{db: db, dialect: dialect, spreading: spreading, queue: q}
}

// failure wraps err with what was done to which DLQ.
func (s *DeadLetters) failure(what, name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %s the DLQ %q: %w", s.dialect.Name(), what, name, err)
}

// Add implements dlq.Store.
func (s *DeadLetters) Add(ctx context.Context, entry dlq.Entry) error {
	return s.failure("add dead letter "+entry.MessageID+" to", entry.Queue, s.addOne(ctx, entry))
}

func (s *DeadLetters) addOne(ctx context.Context, entry dlq.Entry) error {
	claim, claimed := queue.ClaimFrom(ctx, s.queue)
	stands := []bool{true}
	err := s.db.Write(ctx, func(t Tx) (err error) {
		if claimed {
			done := []queue.Settlement{{ID: claim.ID, Owner: claim.Owner, Outcome: queue.Done}}
			if stands, err = s.dialect.Settle(t, done); err != nil || !stands[0] {
				return err
			}
		}
		return s.add(t, []dlq.Entry{entry})
	})
	if err != nil || !claimed {
		return err
	}
	claim.MarkSettled()
	if !stands[0] {
		return dlq.ErrNotHeld
	}
	return nil
}

// add adds entries within a transaction. DLQs are locked in the order of their names, so that two transactions cannot
// wait for each other.
func (s *DeadLetters) add(t Tx, entries []dlq.Entry) error {
	slices.SortStableFunc(entries, func(a, b dlq.Entry) int { return cmp.Compare(a.Queue, b.Queue) })
	for name, some := range Runs(entries, func(e *dlq.Entry) string { return e.Queue }) {
		if err := s.addTo(t, name, some); err != nil {
			return err
		}
	}
	return nil
}

func (s *DeadLetters) addTo(t Tx, name string, entries []dlq.Entry) error {
	d, err := hold(t, name)
	if err != nil {
		return err
	}
	args := make([]any, 0, len(letterColumns)*len(entries))
	failures := make(map[int64]dlq.Failure, 1)
	for i, e := range entries {
		if e.CorrelationID == "" {
			e.CorrelationID = e.MessageID
		}
		metadata, err := EncodeMetadata(redriveMetadata(e))
		if err != nil {
			return err
		}
		signature := signatureOf(e.Failure)
		failures[signature] = e.Failure
		args = append(args, fullID(d.id, d.last+int64(i)+1), d.id, int64(e.Redrives), d.now, Micros(e.AcceptedAt), signature,
			text(e.Job), e.Topic, e.MessageID, e.CorrelationID, text(e.Failure.Type), text(e.Failure.Message), text(e.Failure.Stack),
			metadata, e.Attempts.String(), orEmpty(e.Payload))
	}
	added, err := s.dialect.Insert(t, "dead_letters", letterColumns, args)
	if err != nil {
		return err
	}
	// Entries of messages that stand there already were passed over.
	found := causes{}
	if err := found.add(t, countCauses, fullID(d.id, d.last+1), fullID(d.id, d.last+int64(len(entries)))); err != nil {
		return err
	}
	if err := found.join(t, s.dialect, d, failures); err != nil {
		return err
	}
	return d.count(t, int64(len(entries)), added)
}

// text makes what a program said fit for a text column: PostgreSQL takes neither broken UTF-8 nor NUL.
func text(s string) string {
	if strings.IndexByte(s, 0) >= 0 {
		s = strings.ReplaceAll(s, "\x00", "�")
	}
	return strings.ToValidUTF8(s, "�")
}

// redriveMetadata is what a redriven message carries: its own metadata, and what an entry has in columns of its own.
func redriveMetadata(e dlq.Entry) message.Metadata {
	metadata := maps.Clone(e.Metadata)
	if metadata == nil {
		metadata = map[string]string{}
	}
	delete(metadata, retry.MetadataJob) // the next redrive sets its own
	delete(metadata, retry.MetadataSingleAttempt)
	delete(metadata, retry.MetadataRedrivenAt)
	if !e.AcceptedAt.IsZero() {
		metadata[retry.MetadataAcceptedAt] = e.AcceptedAt.UTC().Format(time.RFC3339Nano)
	}
	if e.CorrelationID != e.MessageID {
		metadata[retry.MetadataCorrelationID] = e.CorrelationID
	}
	return metadata
}

// List implements dlq.Store.
func (s *DeadLetters) List(ctx context.Context, p dlq.ListParams) (entries []dlq.Entry, err error) {
	err = s.db.Read(ctx, func(t Tx) error {
		entries = nil
		return eachEntry(t, p, func(e dlq.Entry) error {
			entries = append(entries, e)
			return nil
		})
	})
	if err != nil {
		return nil, s.failure("list", p.Queue, err)
	}
	return entries, nil
}

// scanned is an entry with columns that have yet to be decoded.
type scanned struct {
	dlq.Entry
	created, accepted int64
}

// brief is where the columns of a brief list go.
func (e *scanned) brief() []any {
	return []any{&e.ID, &e.Redrives, &e.created, &e.accepted, &e.Job, &e.Topic, &e.MessageID, &e.CorrelationID, &e.Failure.Type,
		&e.Failure.Message}
}

// seenIn is the entry as it stands in a DLQ.
func (e *scanned) seenIn(d seen, name string) dlq.Entry {
	e.Queue, e.Exported = name, e.ID <= d.exportedUpTo
	e.ID &= dlqSpan - 1
	e.CreatedAt, e.AcceptedAt = FromMicros(e.created), FromMicros(e.accepted)
	return e.Entry
}

func (d seen) scanBrief(row Scanner, name string) (dlq.Entry, error) {
	var e scanned
	err := row.Scan(e.brief()...)
	return e.seenIn(d, name), err
}

func (d seen) scanEntry(row Scanner, name string) (dlq.Entry, error) {
	var s scanned
	var metadata, history string
	if err := row.Scan(append(s.brief(), &s.Failure.Stack, &metadata, &history, &s.Payload)...); err != nil {
		return s.Entry, err
	}
	e := s.seenIn(d, name)
	own, err := DecodeMetadata(metadata)
	if err != nil {
		return e, fmt.Errorf("entry %d: %w", e.ID, err)
	}
	delete(own, retry.MetadataAcceptedAt)
	delete(own, retry.MetadataCorrelationID)
	e.Metadata = own
	if e.Attempts, err = retry.ParseHistory(history); err != nil {
		return e, fmt.Errorf("entry %d: %w", e.ID, err)
	}
	return e, nil
}

// Stat implements dlq.Store.
func (s *DeadLetters) Stat(ctx context.Context, name string) (stats dlq.Stats, err error) {
	err = s.db.View(ctx, func(t Tx) (err error) {
		stats, err = stat(t, name)
		return err
	})
	return stats, s.failure("count", name, err)
}

func stat(t Tx, name string) (dlq.Stats, error) {
	stats := dlq.Stats{Queue: name}
	d, err := look(t, name)
	if err != nil || d.entries == 0 {
		return stats, err
	}
	var oldest int64
	first, last := fullID(d.id, 0), fullID(d.id, dlqSpan-1)
	if err := One(t, []any{&stats.Newest}, selectNewest, first, last); err != nil {
		return stats, err
	}
	if err := One(t, []any{&oldest}, selectOldestAt, first, last); err != nil {
		return stats, err
	}
	stats.Count = d.entries
	stats.Newest &= dlqSpan - 1
	stats.OldestAt = FromMicros(oldest)
	return stats, nil
}

// errEnough ends a query whose reader wants no more.
var errEnough = errors.New("enough")

// Snapshot implements dlq.Store.
func (s *DeadLetters) Snapshot(
	ctx context.Context, name string, read func(dlq.Stats, iter.Seq2[dlq.Entry, error]) error,
) error {
	err := s.db.View(ctx, func(t Tx) error {
		stats, err := stat(t, name)
		if err != nil {
			return err
		}
		return read(stats, func(yield func(dlq.Entry, error) bool) {
			err := eachEntry(t, dlq.ListParams{Queue: name, Limit: everything}, func(e dlq.Entry) error {
				if !yield(e, nil) {
					return errEnough
				}
				return nil
			})
			if err != nil && !errors.Is(err, errEnough) {
				yield(dlq.Entry{}, err)
			}
		})
	})
	return s.failure("read", name, err)
}

// MarkExported implements dlq.Store.
func (s *DeadLetters) MarkExported(ctx context.Context, name string, upTo int64) error {
	err := s.db.Write(ctx, func(t Tx) error {
		d, err := hold(t, name)
		if err != nil {
			return err
		}
		_, err = t.Exec(markExported, fullID(d.id, upTo), d.id, fullID(d.id, upTo))
		return err
	})
	return s.failure("mark as exported", name, err)
}
