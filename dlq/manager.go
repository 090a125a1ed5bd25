package dlq

import (
	"context"
	"fmt"
	"log/slog"
	"math"
)

// Limits of Manager.
const (
	// DefaultPage is how many entries a page holds that asks for no number.
	DefaultPage = 50
	// MaxPage is the largest page.
	MaxPage = 1000
)

// Manager lists, moves back and erases the entries of DLQs. Its methods may be called from any goroutine.
type Manager struct {
	store    Store
	logger   *slog.Logger
	searches chan struct{} // holds one of each that runs
}

// NewManager returns a Manager of the DLQs in store. It logs what it moved and erased; a nil logger means
// slog.Default().
func NewManager(store Store, logger *slog.Logger) *Manager {
	if logger == nil {
		logger = slog.Default()
	}
	return &Manager{store: store, logger: logger, searches: make(chan struct{}, searchesAtOnce)}
}

// Get returns one entry, or ErrNotFound.
func (m *Manager) Get(ctx context.Context, queue string, id int64) (Entry, error) {
	if id <= 0 { // 0 would ask the store for any entry
		return Entry{}, fmt.Errorf("dlq: get entry %d of %s: %w", id, queue, ErrNotFound)
	}
	entries, err := m.store.List(ctx, ListParams{Queue: queue, IDs: []int64{id}, Limit: 1})
	if err == nil && len(entries) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return Entry{}, fmt.Errorf("dlq: get entry %d of %s: %w", id, queue, err)
	}
	return entries[0], nil
}

// Stat returns the present size of a DLQ.
func (m *Manager) Stat(ctx context.Context, queue string) (Stats, error) {
	if queue == "" {
		return Stats{}, fmt.Errorf("dlq: stat: %w", errNoQueue)
	}
	stats, err := m.store.Stat(ctx, queue)
	if err != nil {
		return Stats{}, fmt.Errorf("dlq: stat %s: %w", queue, err)
	}
	return stats, nil
}

// RetryOldest moves the oldest entry back to its topic and returns it, or ErrNotFound when the DLQ is empty.
func (m *Manager) RetryOldest(ctx context.Context, queue string) (Entry, error) {
	entry, err := m.retry(ctx, RedriveParams{Queue: queue, Selection: Selection{UpTo: math.MaxInt64, Limit: 1}, Full: true})
	if err != nil {
		return Entry{}, fmt.Errorf("dlq: retry oldest entry of %s: %w", queue, err)
	}
	return entry, nil
}

// Retry moves one entry back to its topic and returns it. It returns ErrNotFound when the entry is not there, so also
// to all but one of those who ask for the same one.
func (m *Manager) Retry(ctx context.Context, queue string, id int64) (Entry, error) {
	entry, err := m.retry(ctx, RedriveParams{Queue: queue, Selection: Selection{IDs: []int64{id}}, Full: true})
	if err != nil {
		return Entry{}, fmt.Errorf("dlq: retry entry %d of %s: %w", id, queue, err)
	}
	return entry, nil
}

func (m *Manager) retry(ctx context.Context, params RedriveParams) (Entry, error) {
	redriven, err := m.store.Redrive(ctx, params)
	if err != nil {
		return Entry{}, err
	}
	if redriven.Moved == 0 || len(redriven.Entries) == 0 {
		return Entry{}, ErrNotFound
	}
	entry := redriven.Entries[0]
	m.logger.InfoContext(ctx, "dead letter moved back", "queue", params.Queue, "id", entry.ID,
		"correlation_id", entry.CorrelationID)
	return entry, nil
}

// Groups returns the causes of the failures in a DLQ, those with most entries first: at most limit of them, up to 1,000. A
// limit of 0 or less means 50.
func (m *Manager) Groups(ctx context.Context, queue string, limit int) ([]Group, error) {
	groups, err := m.store.Groups(ctx, queue, pageSize(limit))
	if err != nil {
		return nil, fmt.Errorf("dlq: group %s: %w", queue, err)
	}
	return append([]Group{}, groups...), nil
}
