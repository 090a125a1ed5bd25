package dlq

import (
	"context"
	"fmt"
	"time"
)

// erasedQueue is the DLQ that keeps what was discarded from another one. Its entries' CreatedAt is when that was.
func erasedQueue(queue string) string { return "erased:" + queue }

// Discard takes what a filter means out of a DLQ as Erase does, but keeps it for a time: Erased lists it, Restore puts it back, and
// Purge erases it for good. confirm and the errors are those of Erase.
func (m *Manager) Discard(ctx context.Context, queue string, filter Filter, confirm int64) (discarded int64, err error) {
	discarded, upTo, err := m.remove(ctx, queue, filter, confirm, m.transfer(queue, erasedQueue(queue)))
	if discarded > 0 {
		m.logger.InfoContext(ctx, "dead letters erased, to be kept for a time", "queue", queue, "erased", discarded, "up_to", upTo)
	}
	return discarded, err
}

// Erased is List of what was discarded from a DLQ and can still be restored. An entry's CreatedAt is when it was discarded, and its
// ID is another one than in the DLQ.
func (m *Manager) Erased(ctx context.Context, queue string, q Query) (Page, error) {
	page, err := m.List(ctx, erasedQueue(queue), q)
	for i := range page.Entries {
		page.Entries[i].Queue = queue
	}
	return page, err
}

// CountErased is Count of what was discarded from a DLQ and can still be restored.
func (m *Manager) CountErased(ctx context.Context, queue string, filter Filter) (count, upTo int64, err error) {
	return m.Count(ctx, erasedQueue(queue), filter)
}

// Restore puts back what a filter means of that which was discarded from a DLQ, and returns how many entries those are. They come in
// anew: their IDs and CreatedAt are of now. An entry of the same message that came into the DLQ meanwhile is replaced. After an error
// restored says how many are back already.
func (m *Manager) Restore(ctx context.Context, queue string, filter Filter) (restored int64, err error) {
	from := erasedQueue(queue)
	stats, err := m.Stat(ctx, from)
	if err != nil {
		return 0, err
	}
	restored, err = m.removeFound(ctx, from, filter, stats.Newest, m.transfer(from, queue))
	if err != nil {
		err = fmt.Errorf("dlq: restore %s, %d restored: %w", queue, restored, err)
	}
	if restored > 0 {
		m.logger.InfoContext(ctx, "dead letters restored", "queue", queue, "restored", restored)
	}
	return restored, err
}

// Purge erases for good what was discarded from a DLQ before that time, and returns how many entries those were.
func (m *Manager) Purge(ctx context.Context, queue string, before time.Time) (purged int64, err error) {
	if purged, err = m.purge(ctx, erasedQueue(queue), before); purged > 0 {
		m.logger.InfoContext(ctx, "erased dead letters are gone for good", "queue", queue, "purged", purged)
	}
	return purged, err
}

// purge erases what came into one of the DLQs that are kept beside another before that time.
func (m *Manager) purge(ctx context.Context, from string, before time.Time) (purged int64, err error) {
	purged, err = m.removeFound(ctx, from, Filter{To: before}, 0, m.erase(from))
	if err != nil {
		err = fmt.Errorf("dlq: purge %s, %d purged: %w", from, purged, err)
	}
	return purged, err
}

// transfer is a removal that puts entries into another DLQ.
func (m *Manager) transfer(from, to string) removal {
	return func(ctx context.Context, which Selection) (int64, error) {
		return m.store.Transfer(ctx, TransferParams{From: from, To: to, Selection: which})
	}
}
