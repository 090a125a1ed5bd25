package dlq

import (
	"context"
	"fmt"

	"github.com/redrive-go/redrive/retry"
)

var _ retry.Mover = (*Manager)(nil)

// Bound returns how many entries of a DLQ a Filter means, whose Criteria they are, and the largest id in the DLQ. It implements
// retry.Mover.
func (m *Manager) Bound(ctx context.Context, queue, criteria string) (total, upTo int64, err error) {
	filter, err := ParseCriteria(criteria)
	if err != nil {
		return 0, 0, err
	}
	return m.Count(ctx, queue, filter)
}

// Below returns the Criteria of those entries that other ones mean which were moved back fewer than so many times. It implements
// retry.Mover.
func (m *Manager) Below(criteria string, redrives int) (string, error) {
	filter, err := ParseCriteria(criteria)
	if err != nil {
		return "", err
	}
	most := redrives - 1
	if filter.MaxRedrives == nil || *filter.MaxRedrives > most {
		filter.MaxRedrives = &most
	}
	return filter.Criteria()
}

// Move moves one step of a retry job back. It implements retry.Mover.
func (m *Manager) Move(ctx context.Context, b retry.Batch) (moved retry.Moved, err error) {
	filter, err := ParseCriteria(b.Criteria)
	switch {
	case err != nil:
	case filter.isBound(): // b.UpTo is not above the filter's
		moved, err = m.moveOldest(ctx, b)
	default:
		moved, err = m.moveFound(ctx, b, &filter)
	}
	if err != nil {
		return retry.Moved{}, fmt.Errorf("dlq: move up to %d of %s: %w", b.Limit, b.Queue, err)
	}
	m.logger.DebugContext(ctx, "dead letters moved back", "queue", b.Queue, "job", b.Job, "moved", moved.Count)
	return moved, nil
}

func (m *Manager) moveOldest(ctx context.Context, b retry.Batch) (retry.Moved, error) {
	which := Selection{UpTo: b.UpTo, Limit: b.Limit}
	redriven, err := m.store.Redrive(ctx, RedriveParams{Queue: b.Queue, Selection: which, Job: b.Job, SingleAttempt: b.SingleAttempt})
	return retry.Moved{Count: redriven.Moved, Done: redriven.Moved == 0}, err
}

// foundStep is the most entries that a step looks for. Those that do not follow each other are moved one by one.
const foundStep = 250

// moveFound looks for entries, as far as one step goes, and moves them. Others may have moved some of them meanwhile.
func (m *Manager) moveFound(ctx context.Context, b retry.Batch, filter *Filter) (retry.Moved, error) {
	s, err := newSearch(b.Queue, filter, b.After, b.UpTo)
	if err != nil {
		return retry.Moved{}, err
	}
	found, err := m.find(ctx, s, min(b.Limit, foundStep))
	if err != nil {
		return retry.Moved{}, err
	}
	moved := retry.Moved{After: s.after, Done: s.done}
	if len(found) == 0 {
		return moved, nil
	}
	which := Selection{IDs: idsOf(found)}
	redriven, err := m.store.Redrive(ctx, RedriveParams{Queue: b.Queue, Selection: which, Job: b.Job, SingleAttempt: b.SingleAttempt})
	moved.Count = redriven.Moved
	return moved, err
}
