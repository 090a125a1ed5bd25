package memory

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/redrive-go/redrive/backends/internal/queue"
	"github.com/redrive-go/redrive/dlq"
)

// stepSize is how many entries one critical section moves or erases, so that a large batch delays nobody.
const stepSize = 1000

// deadLetters keeps the DLQs. It implements dlq.Store.
type deadLetters struct{ *state }

// dlqState is one DLQ.
type dlqState struct {
	shelf
	byMessage    map[string]int64
	exportedUpTo int64
}

// Add puts a message into a DLQ.
func (d *deadLetters) Add(ctx context.Context, entry dlq.Entry) error {
	letter := newDeadLetter(&entry)
	if err := d.lock(ctx, "add message %q to DLQ %q", entry.MessageID, entry.Queue); err != nil {
		return err
	}
	defer d.mu.Unlock()
	now := time.Now()
	if !d.settleDelivered(ctx, queue.Settlement{Outcome: queue.Done}, now) {
		return fmt.Errorf("memory: add message %q to DLQ %q: %w", entry.MessageID, entry.Queue, dlq.ErrNotHeld)
	}
	d.bury(letter, now)
	return nil
}

// List returns entries of one DLQ.
func (d *deadLetters) List(ctx context.Context, p dlq.ListParams) ([]dlq.Entry, error) {
	if p.Limit <= 0 {
		return nil, fmt.Errorf("memory: list DLQ %q: Limit must be positive, not %d", p.Queue, p.Limit)
	}
	letters, exportedUpTo, err := d.list(ctx, p)
	if err != nil {
		return nil, err
	}
	entries := make([]dlq.Entry, len(letters))
	for i, letter := range letters {
		if p.Brief {
			entries[i] = letter.brief(exportedUpTo)
		} else {
			entries[i] = letter.shown(exportedUpTo)
		}
	}
	return entries, nil
}

func (d *deadLetters) list(ctx context.Context, p dlq.ListParams) (letters []*deadLetter, exportedUpTo int64, err error) {
	if err := d.lock(ctx, "list DLQ %q", p.Queue); err != nil {
		return nil, 0, err
	}
	defer d.mu.Unlock()
	q := d.dlq(p.Queue)
	candidates := q.from(p.After + 1)
	if len(p.IDs) > 0 {
		candidates = q.named(p.IDs, p.After)
	}
	for letter := range candidates {
		if len(letters) == p.Limit || p.UpTo != 0 && letter.id > p.UpTo {
			break
		}
		if letter.meets(&p) {
			letters = append(letters, letter)
		}
	}
	return letters, q.exportedUpTo, nil
}

// Count returns how many entries of one DLQ are meant.
func (d *deadLetters) Count(ctx context.Context, p dlq.CountParams) (count, newest int64, err error) {
	if err := d.lock(ctx, "count in DLQ %q", p.Queue); err != nil {
		return 0, 0, err
	}
	frozen := d.dlq(p.Queue).snapshot()
	d.mu.Unlock()
	newest = frozen.stats(p.Queue).Newest
	if p.IsZero() {
		return frozen.count, newest, nil
	}
	for letter := range frozen.from(p.After + 1) {
		if p.Meets(&letter.entry, func() string { return letter.signature }) {
			count++
		}
		if p.Limit > 0 && count == int64(p.Limit) {
			break
		}
	}
	return count, newest, nil
}

// Erase removes entries for good.
func (d *deadLetters) Erase(ctx context.Context, p dlq.EraseParams) (erased int64, err error) {
	err = d.inSteps(ctx, "erase from DLQ %q", p.Queue, p.Selection, func(taken []*deadLetter) {
		erased += int64(len(taken))
	})
	return settled(erased, err)
}

// Transfer moves entries to another DLQ.
func (d *deadLetters) Transfer(ctx context.Context, p dlq.TransferParams) (moved int64, err error) {
	if p.From == p.To {
		return 0, fmt.Errorf("memory: transfer from DLQ %q: a transfer needs two DLQs", p.From)
	}
	err = d.inSteps(ctx, "transfer from DLQ %q", p.From, p.Selection, func(taken []*deadLetter) {
		now, to := time.Now(), d.dlq(p.To)
		for _, letter := range taken {
			d.take(to, to.byMessage[letter.entry.MessageID]) // no letter has the id 0
			moving := *letter
			moving.entry.Queue = p.To
			d.bury(&moving, now)
		}
		moved += int64(len(taken))
	})
	return settled(moved, err)
}

// inSteps takes a selection out of its DLQ, and gives each step to use within the critical section. A caller that goes away
// meanwhile gets an error, and what was done stays done.
func (d *deadLetters) inSteps(ctx context.Context, what, name string, s dlq.Selection, use func([]*deadLetter)) error {
	left := len(s.IDs)
	if left == 0 {
		left = s.Limit
	}
	if left <= 0 {
		return fmt.Errorf("memory: "+what+": Limit must be positive, not %d", name, s.Limit)
	}
	for done := 0; left > 0; {
		step := min(left, stepSize)
		if err := d.lock(ctx, what, name); err != nil {
			return err
		}
		taken := d.takeStep(d.dlq(name), &s, done, step)
		use(taken)
		d.mu.Unlock()
		done, left = done+step, left-step
		if len(s.IDs) == 0 && len(taken) < step {
			break
		}
	}
	return nil
}

// takeStep takes the named ones from place done, or else the oldest, at most step of them. The caller holds the lock.
func (s *state) takeStep(q *dlqState, from *dlq.Selection, done, step int) (taken []*deadLetter) {
	if len(from.IDs) == 0 {
		return s.takeOldest(q, from.UpTo, step)
	}
	for _, id := range from.IDs[done : done+step] {
		if letter := s.take(q, id); letter != nil {
			taken = append(taken, letter)
		}
	}
	return taken
}

// Stat returns the size of a DLQ.
func (d *deadLetters) Stat(ctx context.Context, name string) (dlq.Stats, error) {
	if err := d.lock(ctx, "measure DLQ %q", name); err != nil {
		return dlq.Stats{}, err
	}
	defer d.mu.Unlock()
	return d.dlq(name).stats(name), nil
}

// Snapshot reads a DLQ as it stands now.
func (d *deadLetters) Snapshot(
	ctx context.Context, name string, read func(dlq.Stats, iter.Seq2[dlq.Entry, error]) error,
) error {
	if err := d.lock(ctx, "read DLQ %q", name); err != nil {
		return err
	}
	q := d.dlq(name)
	frozen, exportedUpTo := q.snapshot(), q.exportedUpTo
	d.mu.Unlock()
	return read(frozen.stats(name), func(yield func(dlq.Entry, error) bool) {
		for letter := range frozen.from(0) {
			if err := ctx.Err(); err != nil {
				yield(dlq.Entry{}, fmt.Errorf("memory: read DLQ %q: %w", name, err))
				return
			}
			if !yield(letter.shown(exportedUpTo), nil) {
				return
			}
		}
	})
}

// MarkExported notes that an export contains the entries up to an id.
func (d *deadLetters) MarkExported(ctx context.Context, name string, upTo int64) error {
	if err := d.lock(ctx, "mark DLQ %q as exported", name); err != nil {
		return err
	}
	defer d.mu.Unlock()
	q := d.dlq(name)
	q.exportedUpTo = max(q.exportedUpTo, upTo)
	return nil
}

func (s *shelf) stats(name string) dlq.Stats {
	stats := dlq.Stats{Queue: name, Count: s.count}
	if newest := s.newest(); newest != nil {
		stats.Newest = newest.id
	}
	for oldest := range s.from(0) {
		stats.OldestAt = oldest.entry.CreatedAt
		break
	}
	return stats
}

// settled is the result of work in steps that was cut off: with something done, that is the answer, as an error would
// say that nothing was changed.
func settled(done int64, err error) (int64, error) {
	if done > 0 {
		return done, nil
	}
	return 0, err
}

// dlq returns the DLQ of a name, made at its first use. The caller holds the lock, here and below.
func (s *state) dlq(name string) *dlqState {
	q := s.dlqs[name]
	if q == nil {
		q = &dlqState{byMessage: map[string]int64{}}
		s.dlqs[name] = q
	}
	return q
}

// bury puts a letter into its DLQ unless its message stands there already.
func (s *state) bury(letter *deadLetter, now time.Time) {
	q := s.dlq(letter.entry.Queue)
	if _, known := q.byMessage[letter.entry.MessageID]; known {
		return
	}
	s.lastEntry++
	letter.id, letter.entry.ID = s.lastEntry, s.lastEntry
	letter.entry.CreatedAt = now.UTC()
	letter.entry.Exported = false
	q.add(letter)
	q.byMessage[letter.entry.MessageID] = letter.id
}

// take removes a letter, nil when it is not there.
func (s *state) take(q *dlqState, id int64) *deadLetter {
	letter := q.remove(id)
	if letter != nil {
		delete(q.byMessage, letter.entry.MessageID)
	}
	return letter
}

// takeOldest removes the oldest letters with an id of at most upTo, at most limit of them.
func (s *state) takeOldest(q *dlqState, upTo int64, limit int) []*deadLetter {
	var oldest []*deadLetter
	for letter := range q.from(0) {
		if len(oldest) == limit || letter.id > upTo {
			break
		}
		oldest = append(oldest, letter)
	}
	for _, letter := range oldest {
		s.take(q, letter.id)
	}
	return oldest
}

// settleDelivered ends the claim on the message whose context is ctx, if this queue delivered it, with a settlement that
// lacks only the claim's name. It returns false when the claim was lost. Either way the engine need not settle it again.
func (s *state) settleDelivered(ctx context.Context, settlement queue.Settlement, now time.Time) (held bool) {
	claim, delivered := queue.ClaimFrom(ctx, s.driver)
	if !delivered {
		return true
	}
	claim.MarkSettled()
	settlement.ID, settlement.Owner = claim.ID, claim.Owner
	return s.settle(&settlement, now)
}
