package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/redrive-go/redrive/export"
)

const (
	insertExport    = `INSERT INTO {exports} (id, queue, state, record) VALUES (?, ?, ?, ?)`
	selectExport    = `SELECT record FROM {exports} WHERE id = ?`
	selectExports   = `SELECT record FROM {exports} ORDER BY id DESC LIMIT ?`
	selectExportsOf = `SELECT record FROM {exports} WHERE queue = ? ORDER BY id DESC LIMIT ?`
	selectRunning   = `
		SELECT id, record, owner, lease_until, {now} FROM {exports} WHERE state = 'running' ORDER BY id {lock}`
	lockExport   = `SELECT lease, {now} FROM {exports} WHERE id = ? AND owner = ? AND state = 'running' {lock}`
	claimExport  = `UPDATE {exports} SET owner = ?, lease = ?, lease_until = ? WHERE id = ?`
	saveExport   = `UPDATE {exports} SET state = ?, record = ?, lease_until = ? WHERE id = ?`
	deleteExport = `DELETE FROM {exports} WHERE id = ?`
)

// Exports implements export.Catalog.
type Exports struct {
	db      Database
	dialect Dialect
}

// NewExports returns the catalogue of exports.
func NewExports(db Database, dialect Dialect) *Exports { return &Exports{db, dialect} }

// failure wraps err with what was done to which export.
func (c *Exports) failure(what, id string, err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		err = export.ErrNotFound
	}
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %s export %s: %w", c.dialect.Name(), what, id, err)
}

// Create implements export.Catalog.
func (c *Exports) Create(ctx context.Context, r export.Record) error {
	record, err := json.Marshal(r)
	if err == nil {
		err = c.db.Write(ctx, func(t Tx) error {
			_, err := t.Exec(insertExport, r.ID, r.Queue, string(r.State), string(record))
			return err
		})
	}
	return c.failure("create", r.ID, err)
}

// Get implements export.Catalog.
func (c *Exports) Get(ctx context.Context, id string) (r export.Record, err error) {
	var record string
	err = c.db.Read(ctx, func(t Tx) error { return One(t, []any{&record}, selectExport, id) })
	if err == nil {
		err = json.Unmarshal([]byte(record), &r)
	}
	return r, c.failure("read", id, err)
}

// List implements export.Catalog.
func (c *Exports) List(ctx context.Context, queue string, limit int) (records []export.Record, err error) {
	query, args := selectExports, []any{limit}
	if queue != "" {
		query, args = selectExportsOf, []any{queue, limit}
	}
	err = c.db.Read(ctx, func(t Tx) error {
		records = nil
		return t.Query(func(row Scanner) error {
			var record string
			var r export.Record
			if err := row.Scan(&record); err != nil {
				return err
			}
			err := json.Unmarshal([]byte(record), &r)
			records = append(records, r)
			return err
		}, query, args...)
	})
	if err != nil {
		return nil, fmt.Errorf("%s: list exports: %w", c.dialect.Name(), err)
	}
	return records, nil
}

// Claim implements export.Catalog.
func (c *Exports) Claim(ctx context.Context, owner string, lease time.Duration) (r export.Record, err error) {
	err = c.db.Write(ctx, func(t Tx) error {
		id, record, now, err := claimable(t, owner)
		if err != nil {
			return err
		}
		if _, err := t.Exec(claimExport, owner, lease.Microseconds(), now+lease.Microseconds(), id); err != nil {
			return err
		}
		r = export.Record{}
		return json.Unmarshal([]byte(record), &r)
	})
	return r, c.failure("claim", "to run", err)
}

// claimable returns the export that owner holds already, or else the oldest that nobody holds.
func claimable(t Tx, owner string) (id, record string, now int64, err error) {
	err = t.Query(func(row Scanner) error {
		var thisID, thisRecord, holder string
		var until int64
		if err := row.Scan(&thisID, &thisRecord, &holder, &until, &now); err != nil {
			return err
		}
		if holder == owner || until <= now && id == "" {
			id, record = thisID, thisRecord
		}
		return nil
	}, selectRunning)
	if err == nil && id == "" {
		err = sql.ErrNoRows
	}
	return id, record, now, err
}

// Save implements export.Catalog.
func (c *Exports) Save(ctx context.Context, owner string, r export.Record) error {
	record, err := json.Marshal(r)
	if err == nil {
		err = c.db.Write(ctx, func(t Tx) error {
			var lease, now, until int64
			if err := One(t, []any{&lease, &now}, lockExport, r.ID, owner); err != nil {
				return err
			}
			if r.State == export.StateRunning {
				until = now + lease
			}
			_, err := t.Exec(saveExport, string(r.State), string(record), until, r.ID)
			return err
		})
	}
	return c.failure("save", r.ID, err)
}

// Delete implements export.Catalog.
func (c *Exports) Delete(ctx context.Context, id string) error {
	err := c.db.Write(ctx, func(t Tx) error {
		n, err := t.Exec(deleteExport, id)
		if err == nil && n == 0 {
			err = sql.ErrNoRows
		}
		return err
	})
	return c.failure("delete", id, err)
}
