package sqlstore

import (
	"cmp"
	"context"
	"fmt"
	"math"

	"github.com/redrive-go/redrive/asyncevents"
)

const (
	insertAudit = `
		INSERT INTO {audit} (at, actor, action, queue, target, correlation_id, count, outcome, detail)
		VALUES ({now}, ?, ?, ?, ?, ?, ?, ?, ?)`
	auditRows   = `SELECT id, at, actor, action, queue, target, correlation_id, count, outcome, detail FROM {audit}`
	selectAudit = auditRows + ` WHERE id < ? ORDER BY id DESC LIMIT ?`
	selectAbout = auditRows + ` WHERE correlation_id = ? AND id < ? ORDER BY id DESC LIMIT ?`
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
		_, err := t.Exec(insertAudit, text(r.Actor), text(r.Action), text(r.Queue), text(r.Target), text(r.CorrelationID), r.Count,
			text(r.Outcome), text(r.Detail))
		return err
	})
	if err != nil {
		return fmt.Errorf("%s: audit %s: %w", l.dialect.Name(), r.Action, err)
	}
	return nil
}

// List implements asyncevents.AuditLog.
func (l *Audit) List(ctx context.Context, q asyncevents.AuditQuery) (list []asyncevents.AuditRow, err error) {
	statement, args := selectAudit, []any{cmp.Or(q.Before, math.MaxInt64), q.Limit}
	if q.CorrelationID != "" {
		statement, args = selectAbout, append([]any{q.CorrelationID}, args...)
	}
	err = l.db.Read(ctx, func(t Tx) error {
		list = nil
		return t.Query(func(row Scanner) error {
			var r asyncevents.AuditRow
			var at int64
			err := row.Scan(&r.ID, &at, &r.Actor, &r.Action, &r.Queue, &r.Target, &r.CorrelationID, &r.Count, &r.Outcome, &r.Detail)
			r.At = FromMicros(at)
			list = append(list, r)
			return err
		}, statement, args...)
	})
	if err != nil {
		return nil, fmt.Errorf("%s: list the audit: %w", l.dialect.Name(), err)
	}
	return list, nil
}
