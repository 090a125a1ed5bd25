package sqlite

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
	insertExport  = `INSERT INTO exports (id, queue, state, record) VALUES (?, ?, ?, ?)`
	selectExport  = `SELECT record FROM exports WHERE id = ?`
	selectExports = `SELECT record FROM exports WHERE ?1 = '' OR queue = ?1 ORDER BY id DESC LIMIT ?2`
	selectRunning = `
		SELECT id FROM exports WHERE state = 'running' AND (owner = ?1 OR lease_until <= ?2)
		ORDER BY owner = ?1 DESC, id LIMIT 1`
	claimExport = `UPDATE exports SET owner = ?1, lease = ?2, lease_until = ?2 + ?3 WHERE id = ?4 RETURNING record`
	saveExport  = `
		UPDATE exports SET state = ?1, record = ?2, lease_until = CASE ?1 WHEN 'running' THEN lease + ?3 ELSE 0 END
		WHERE id = ?4 AND owner = ?5 AND state = 'running'`
	deleteExport = `DELETE FROM exports WHERE id = ?`
)

// exportCatalog implements export.Catalog.
type exportCatalog struct{ db *database }

// Create implements export.Catalog.
func (c *exportCatalog) Create(ctx context.Context, r export.Record) error {
	text, err := json.Marshal(r)
	if err == nil {
		err = c.db.write(ctx, func(t *tx) error {
			_, err := t.exec(insertExport, r.ID, r.Queue, string(r.State), string(text))
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("sqlite: create export %s: %w", r.ID, err)
	}
	return nil
}

// Get implements export.Catalog.
func (c *exportCatalog) Get(ctx context.Context, id string) (r export.Record, err error) {
	var text string
	if err = c.db.readers.QueryRowContext(ctx, selectExport, id).Scan(&text); err == nil {
		err = json.Unmarshal([]byte(text), &r)
	}
	return r, exportError("read", id, err)
}

// exportError wraps err with what was done to which export.
func exportError(what, id string, err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		err = export.ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("sqlite: %s export %s: %w", what, id, err)
	}
	return nil
}

// List implements export.Catalog.
func (c *exportCatalog) List(ctx context.Context, queue string, limit int) ([]export.Record, error) {
	rows, err := c.db.readers.QueryContext(ctx, selectExports, queue, limit)
	if err != nil {
		return nil, fmt.Errorf("sqlite: list exports: %w", err)
	}
	var records []export.Record
	err = eachRow(rows, func(row scanner) error {
		var text string
		var r export.Record
		if err := row.Scan(&text); err != nil {
			return err
		}
		err := json.Unmarshal([]byte(text), &r)
		records = append(records, r)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("sqlite: list exports: %w", err)
	}
	return records, nil
}

// Claim implements export.Catalog.
func (c *exportCatalog) Claim(ctx context.Context, owner string, lease time.Duration) (r export.Record, err error) {
	err = c.db.write(ctx, func(t *tx) error {
		var id, text string
		now := time.Now().UnixMicro()
		if err := t.one([]any{&id}, selectRunning, owner, now); err != nil {
			return err
		}
		if err := t.one([]any{&text}, claimExport, owner, lease.Microseconds(), now, id); err != nil {
			return err
		}
		return json.Unmarshal([]byte(text), &r)
	})
	return r, exportError("claim", "to run", err)
}

// Save implements export.Catalog.
func (c *exportCatalog) Save(ctx context.Context, owner string, r export.Record) error {
	text, err := json.Marshal(r)
	if err == nil {
		err = c.change(ctx, func(t *tx) (int64, error) {
			return t.exec(saveExport, string(r.State), string(text), time.Now().UnixMicro(), r.ID, owner)
		})
	}
	return exportError("save", r.ID, err)
}

// change runs a statement that changes one export, and returns sql.ErrNoRows when it changed none.
func (c *exportCatalog) change(ctx context.Context, statement func(*tx) (int64, error)) error {
	return c.db.write(ctx, func(t *tx) error {
		n, err := statement(t)
		if err == nil && n == 0 {
			err = sql.ErrNoRows
		}
		return err
	})
}

// Delete implements export.Catalog.
func (c *exportCatalog) Delete(ctx context.Context, id string) error {
	err := c.change(ctx, func(t *tx) (int64, error) { return t.exec(deleteExport, id) })
	return exportError("delete", id, err)
}
