package export_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redrive-go/redrive/export"
)

// catalog is an export.Catalog in memory.
type catalog struct {
	mu    sync.Mutex
	rows  []*row
	saved []export.Record
}

type row struct {
	record export.Record
	owner  string
	lease  time.Duration
	until  time.Time
}

func (c *catalog) find(id string) (int, error) {
	i := slices.IndexFunc(c.rows, func(r *row) bool { return r.record.ID == id })
	if i < 0 {
		return 0, export.ErrNotFound
	}
	return i, nil
}

func (c *catalog) Create(_ context.Context, record export.Record) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rows = append(c.rows, &row{record: record})
	return nil
}

func (c *catalog) Get(_ context.Context, id string) (export.Record, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i, err := c.find(id)
	if err != nil {
		return export.Record{}, err
	}
	return c.rows[i].record, nil
}

func (c *catalog) List(_ context.Context, queue string, limit int) ([]export.Record, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var records []export.Record
	for _, r := range slices.Backward(c.rows) {
		if (queue == "" || r.record.Queue == queue) && len(records) < limit {
			records = append(records, r.record)
		}
	}
	return records, nil
}

func (c *catalog) Claim(_ context.Context, owner string, lease time.Duration) (export.Record, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.rows {
		if r.record.State == export.StateRunning && (r.owner == owner || !time.Now().Before(r.until)) {
			r.owner, r.lease, r.until = owner, lease, time.Now().Add(lease)
			return r.record, nil
		}
	}
	return export.Record{}, export.ErrNotFound
}

func (c *catalog) Save(ctx context.Context, owner string, record export.Record) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	i, err := c.find(record.ID)
	if err != nil {
		return err
	}
	r := c.rows[i]
	if r.owner != owner || !time.Now().Before(r.until) {
		return export.ErrNotFound
	}
	r.record, r.until = record, time.Now().Add(r.lease)
	if record.State != export.StateRunning {
		r.owner, r.until = "", time.Time{}
	}
	c.saved = append(c.saved, record)
	return nil
}

func (c *catalog) Delete(_ context.Context, id string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	i, err := c.find(id)
	if err != nil {
		return err
	}
	c.rows = slices.Delete(c.rows, i, i+1)
	return nil
}

// progress returns the counts that were saved while exports ran.
func (c *catalog) progress() []int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	var counts []int64
	for _, r := range c.saved {
		if r.State == export.StateRunning {
			counts = append(counts, r.Count)
		}
	}
	return counts
}

var errDown = errors.New("store is down")

// unreachable is a catalogue whose owner can be cut off from it.
type unreachable struct {
	export.Catalog
	cut    atomic.Bool
	claims atomic.Int64
}

func (u *unreachable) Claim(ctx context.Context, owner string, lease time.Duration) (export.Record, error) {
	u.claims.Add(1)
	if u.cut.Load() {
		return export.Record{}, errDown
	}
	return u.Catalog.Claim(ctx, owner, lease)
}

func (u *unreachable) Save(ctx context.Context, owner string, record export.Record) error {
	if u.cut.Load() {
		return errDown
	}
	return u.Catalog.Save(ctx, owner, record)
}

func (u *unreachable) Get(ctx context.Context, id string) (export.Record, error) {
	if u.cut.Load() {
		return export.Record{}, errDown
	}
	return u.Catalog.Get(ctx, id)
}
