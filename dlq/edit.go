package dlq

import (
	"context"
	"fmt"
	"time"
)

// editedQueue is the DLQ that keeps what was edited in another one, each entry as it was before the first change. Its entries'
// CreatedAt is when that was.
func editedQueue(queue string) string { return "edited:" + queue }

// RetryEdited is Retry of an entry whose payload is changed on its way. It returns the entry as it was moved. The entry as it was
// before stays until PurgeEdited, and Original returns it. Nobody looks at the payload here.
func (m *Manager) RetryEdited(ctx context.Context, queue string, id int64, payload []byte) (Entry, error) {
	entry, err := m.retry(ctx, RedriveParams{
		Queue: queue, Selection: Selection{IDs: []int64{id}}, Full: true, Edit: &Edit{Payload: payload, Kept: editedQueue(queue)},
	})
	if err != nil {
		return Entry{}, fmt.Errorf("dlq: edit and retry entry %d of %s: %w", id, queue, err)
	}
	return entry, nil
}

// PurgeEdited erases for good the originals of what was edited before that time in a DLQ, and returns how many those were.
func (m *Manager) PurgeEdited(ctx context.Context, queue string, before time.Time) (purged int64, err error) {
	if purged, err = m.purge(ctx, editedQueue(queue), before); purged > 0 {
		m.logger.InfoContext(ctx, "originals of edited dead letters are gone for good", "queue", queue, "purged", purged)
	}
	return purged, err
}

// Original returns an entry as it was before its message was first edited, or ErrNotFound where it never was. Its CreatedAt is when it
// was edited, and its ID another one than the entry's.
func (m *Manager) Original(ctx context.Context, entry *Entry) (Entry, error) {
	after := int64(0)
	for {
		found, err := m.store.List(ctx, ListParams{
			Queue: editedQueue(entry.Queue), CorrelationID: entry.CorrelationID, After: after, Limit: DefaultPage,
		})
		if err == nil && len(found) == 0 {
			err = ErrNotFound
		}
		if err != nil {
			return Entry{}, fmt.Errorf("dlq: find the original of entry %d of %s: %w", entry.ID, entry.Queue, err)
		}
		for _, original := range found {
			if after = original.ID; original.MessageID == entry.MessageID {
				original.Queue = entry.Queue
				return original, nil
			}
		}
	}
}
