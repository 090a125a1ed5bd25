package dlq

import (
	"context"
	"fmt"
)

// eraseChunk is how many entries one transaction erases, so that intake is never blocked for long.
const eraseChunk = 1000

// CountError is returned by Erase and Discard when there are not as many entries as the caller confirmed.
type CountError struct {
	// Confirmed is what the caller named, Present how many entries are meant.
	Confirmed, Present int64
	// UpTo is the largest id up to which those were counted. A Filter with it means no entry that comes in later.
	UpTo int64
}

// Error says both numbers.
func (e *CountError) Error() string {
	return fmt.Sprintf("the DLQ holds %d entries, not the confirmed %d", e.Present, e.Confirmed)
}

// Erase removes for good what a filter means of that which stands in the DLQ when it is called, and returns how many entries that
// were. confirm is how many the caller believes there are; where it differs, nothing is erased and the error is a
// *CountError. Entries that come in later stay. After another error erased says how many are gone already.
//
// A caller who saw what it confirms sets Filter.UpTo to the id that came with the count: of a set that does not grow, the same number
// are the same entries.
func (m *Manager) Erase(ctx context.Context, queue string, filter Filter, confirm int64) (erased int64, err error) {
	erased, upTo, err := m.remove(ctx, queue, filter, confirm, m.erase(queue))
	if erased > 0 {
		m.logger.InfoContext(ctx, "dead letters erased", "queue", queue, "erased", erased, "up_to", upTo)
	}
	return erased, err
}

// removal takes a step's entries out of a DLQ, and returns how many there were.
type removal func(context.Context, Selection) (int64, error)

// erase is a removal for good.
func (m *Manager) erase(queue string) removal {
	return func(ctx context.Context, which Selection) (int64, error) {
		return m.store.Erase(ctx, EraseParams{Queue: queue, Selection: which})
	}
}

// remove takes what was confirmed out of a DLQ. What comes in meanwhile has larger ids than upTo, and is not touched.
func (m *Manager) remove(
	ctx context.Context, queue string, filter Filter, confirm int64, step removal,
) (removed, upTo int64, err error) {
	count, upTo, err := m.Count(ctx, queue, filter)
	if err != nil {
		return 0, 0, err
	}
	if count != confirm {
		return 0, 0, fmt.Errorf("dlq: erase from %s: %w", queue, &CountError{Confirmed: confirm, Present: count, UpTo: upTo})
	}
	removed, err = m.removeFound(ctx, queue, filter, upTo, step)
	if err != nil {
		err = fmt.Errorf("dlq: erase from %s, %d erased: %w", queue, removed, err)
	}
	return removed, upTo, err
}

// removeFound takes what a filter means out of a DLQ, up to an id when that is not 0.
func (m *Manager) removeFound(
	ctx context.Context, queue string, filter Filter, upTo int64, step removal,
) (removed int64, err error) {
	if filter.isBound() {
		return removeUpTo(ctx, lower(upTo, filter.UpTo), step)
	}
	s, err := newSearch(queue, &filter, 0, upTo)
	if err != nil {
		return 0, err
	}
	err = m.through(ctx, s, func(found []Entry) error {
		n, err := step(ctx, Selection{IDs: idsOf(found)})
		removed += n
		return err
	})
	return removed, err
}

// removeUpTo takes everything up to an id out of a DLQ: nothing of it needs to be read.
func removeUpTo(ctx context.Context, upTo int64, step removal) (removed int64, err error) {
	for upTo > 0 {
		n, err := step(ctx, Selection{UpTo: upTo, Limit: eraseChunk})
		if err != nil || n == 0 {
			return removed, err
		}
		removed += n
	}
	return removed, nil
}
