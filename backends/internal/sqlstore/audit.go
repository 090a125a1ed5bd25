package sqlstore

import (
	"context"
	"fmt"
	"math"

	"github.com/redrive-go/redrive/asyncevents"
)

const (
	insertAudit = `
		INSERT INTO {audit} (at, actor, action, queue, target, count, outcome, detail) VALUES ({now}, ?, ?, ?, ?, ?, ?, ?)`
	selectAudit = `
		SELECT id, at, actor, action, queue, target, count, outcome, detail
		FROM {audit} WHERE id < ? ORDER BY id DESC LIMIT ?`
)

// Audit implements asyncevents.AuditLog.
type Audit struct {
	db      Database
	dialect Dialect
}

// NewAudit returns the audit log.
func NewAudit(db Database, dialect Dialect) *Audit { return &Audit{db, dialect} }

// Append implements asyncevents.AuditLog.
func (l *Audit) Append(ctx context.Context, r asyncevents.AuditRow) error {
	err := l.db.Write(ctx, func(t Tx) error {
		_, err := t.Exec(insertAudit, text(r.Actor), text(r.Action), text(r.Queue), text(r.Target), r.Count, text(r.Outcome),
			text(r.Detail))
		return err
	})
	if err != nil {
		return fmt.Errorf("%s: audit %s: %w", l.dialect.Name(), r.Action, err)
	}
	return nil
}

// List implements asyncevents.AuditLog.
func (l *Audit) List(ctx context.Context, before int64, limit int) (list []asyncevents.AuditRow, err error) {
	if before == 0 {
		before = math.MaxInt64
	}
	err = l.db.Read(ctx, func(t Tx) error {
		list = nil
		return t.Query(func(row Scanner) error {
			var r asyncevents.AuditRow
			var at int64
			err := row.Scan(&r.ID, &at, &r.Actor, &r.Action, &r.Queue, &r.Target, &r.Count, &r.Outcome, &r.Detail)
			r.At = FromMicros(at)
			list = append(list, r)
			return err
		}, selectAudit, before, limit)
	})
	if err != nil {
		return nil, fmt.Errorf("%s: list the audit: %w", l.dialect.Name(), err)
	}
	return list, nil
}
