package export

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// saveInterval is how often the progress of an export is saved, which renews its lease.
const saveInterval = time.Second

// hold is the lease of an owner on one export.
//
// It is renewed beside the writing, not by it: a read or write that stalls must not cost the lease, and a store with
// one connection could not save while that connection reads.
type hold struct {
	catalog Catalog
	owner   string
	record  Record
	lease   time.Duration
	since   time.Time
	written atomic.Int64
	total   atomic.Int64
}

// newHold returns the hold of a record claimed at that time.
func newHold(catalog Catalog, owner string, record Record, lease time.Duration, since time.Time) *hold {
	return &hold{catalog: catalog, owner: owner, record: record, lease: lease, since: since}
}

// begin notes how many entries there are to write.
func (h *hold) begin(total int64) { h.total.Store(total) }

// progress notes how many entries are written.
func (h *hold) progress(written int64) { h.written.Store(written) }

// keep renews the lease until done is closed or ctx ends. When the lease is lost, it calls lose with the reason:
// ErrNotFound when the export was deleted or taken over.
func (h *hold) keep(ctx context.Context, done <-chan struct{}, lose context.CancelCauseFunc) {
	ticker := time.NewTicker(min(saveInterval, h.lease/3))
	defer ticker.Stop()
	since := h.since
	for {
		select {
		case <-done:
			return
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		renewedAt := time.Now()
		err := h.renew(ctx, since.Add(h.lease))
		switch {
		case err == nil:
			since = renewedAt
		case errors.Is(err, ErrNotFound):
			lose(err)
			return
		case time.Since(since) >= h.lease:
			// By now the export may belong to somebody else. A failure before that is not told: the next try may mend it.
			lose(fmt.Errorf("lease ran out: %w", err))
			return
		}
	}
}

// renew saves the progress, and gives up when the lease runs out: a store that hangs must not hide its loss.
func (h *hold) renew(ctx context.Context, until time.Time) error {
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	return h.save(ctx)
}

// save saves the progress, or returns ErrNotFound when the export is no longer held.
func (h *hold) save(ctx context.Context) error {
	record := h.record
	record.Count, record.Total = h.written.Load(), h.total.Load()
	return h.end(ctx, record)
}

// end saves a record, which ends the hold when its state is not StateRunning.
func (h *hold) end(ctx context.Context, record Record) error {
	if err := h.catalog.Save(ctx, h.owner, record); err != nil {
		return fmt.Errorf("save record: %w", err)
	}
	return nil
}
