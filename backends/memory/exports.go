package memory

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/redrive-go/redrive/export"
)

// exports keeps the records of exports, oldest first. It implements export.Catalog.
type exports struct {
	*state
	records []*leasedExport
}

// leasedExport is a record and who writes its file.
type leasedExport struct {
	export.Record
	owner string
	lease time.Duration
	until time.Time
}

func (e *leasedExport) heldBy(owner string, now time.Time) bool {
	return e.State == export.StateRunning && e.owner == owner && now.Before(e.until)
}

func (e *leasedExport) free(now time.Time) bool {
	return e.State == export.StateRunning && !now.Before(e.until)
}

// Create adds a record.
func (e *exports) Create(ctx context.Context, record export.Record) error {
	if err := e.lock(ctx, "create export %q", record.ID); err != nil {
		return err
	}
	defer e.mu.Unlock()
	if e.find(record.ID) >= 0 {
		return fmt.Errorf("memory: create export %q: the id is taken", record.ID)
	}
	e.records = append(e.records, &leasedExport{Record: record})
	return nil
}

// Get returns a record.
func (e *exports) Get(ctx context.Context, id string) (export.Record, error) {
	if err := e.lock(ctx, "read export %q", id); err != nil {
		return export.Record{}, err
	}
	defer e.mu.Unlock()
	if at := e.find(id); at >= 0 {
		return e.records[at].Record, nil
	}
	return export.Record{}, fmt.Errorf("memory: read export %q: %w", id, export.ErrNotFound)
}

// List returns the latest records.
func (e *exports) List(ctx context.Context, queue string, limit int) ([]export.Record, error) {
	if err := e.lock(ctx, "list exports"); err != nil {
		return nil, err
	}
	defer e.mu.Unlock()
	var list []export.Record
	for _, record := range slices.Backward(e.records) {
		if len(list) >= limit {
			break
		}
		if queue == "" || record.Queue == queue {
			list = append(list, record.Record)
		}
	}
	return list, nil
}

// Claim leases an export that is to be written.
func (e *exports) Claim(ctx context.Context, owner string, lease time.Duration) (export.Record, error) {
	if err := e.lock(ctx, "claim an export"); err != nil {
		return export.Record{}, err
	}
	defer e.mu.Unlock()
	now := time.Now()
	at := slices.IndexFunc(e.records, func(r *leasedExport) bool { return r.heldBy(owner, now) })
	if at < 0 {
		at = slices.IndexFunc(e.records, func(r *leasedExport) bool { return r.free(now) })
	}
	if at < 0 {
		return export.Record{}, fmt.Errorf("memory: claim an export: %w", export.ErrNotFound)
	}
	record := e.records[at]
	record.owner, record.lease, record.until = owner, lease, now.Add(lease)
	return record.Record, nil
}

// Save overwrites a record.
func (e *exports) Save(ctx context.Context, owner string, record export.Record) error {
	if err := e.lock(ctx, "save export %q", record.ID); err != nil {
		return err
	}
	defer e.mu.Unlock()
	now := time.Now()
	at := e.find(record.ID)
	if at < 0 || !e.records[at].heldBy(owner, now) {
		return fmt.Errorf("memory: save export %q: %w", record.ID, export.ErrNotFound)
	}
	e.records[at].Record = record
	e.records[at].until = now.Add(e.records[at].lease)
	return nil
}

// Delete removes a record.
func (e *exports) Delete(ctx context.Context, id string) error {
	if err := e.lock(ctx, "delete export %q", id); err != nil {
		return err
	}
	defer e.mu.Unlock()
	at := e.find(id)
	if at < 0 {
		return fmt.Errorf("memory: delete export %q: %w", id, export.ErrNotFound)
	}
	e.records = slices.Delete(e.records, at, at+1)
	return nil
}

// find returns the place of a record, negative where there is none. There are few.
func (e *exports) find(id string) int {
	return slices.IndexFunc(e.records, func(r *leasedExport) bool { return r.ID == id })
}
