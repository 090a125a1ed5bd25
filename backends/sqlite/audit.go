package sqlite

import (
	"context"
	"fmt"
	"time"

	"github.com/redrive-go/redrive/asyncevents"
)

const (
	insertAudit = `
		INSERT INTO audit (at, actor, action, queue, target, count, outcome, detail) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`
	selectAudit = `
		SELECT id, at, actor, action, queue, target, count, outcome, detail
		FROM audit WHERE ?1 = 0 OR id < ?1 ORDER BY id DESC LIMIT ?2`
)

// auditLog implements asyncevents.AuditLog.
type auditLog struct{ db *database }

// Append implements asyncevents.AuditLog.
func (l *auditLog) Append(ctx context.Context, r asyncevents.AuditRow) error {
	err := l.db.write(ctx, func(t *tx) error {
		_, err := t.exec(insertAudit, time.Now().UnixMicro(), r.Actor, r.Action, r.Queue, r.Target, r.Count, r.Outcome, r.Detail)
		return err
	})
	if err != nil {
		return fmt.Errorf("sqlite: audit %s: %w", r.Action, err)
	}
	return nil
}

// List implements asyncevents.AuditLog.
func (l *auditLog) List(ctx context.Context, before int64, limit int) ([]asyncevents.AuditRow, error) {
	rows, err := l.db.readers.QueryContext(ctx, selectAudit, before, limit)
	if err != nil {
		return nil, fmt.Errorf("sqlite: list the audit: %w", err)
	}
	var list []asyncevents.AuditRow
	err = eachRow(rows, func(row scanner) error {
		var r asyncevents.AuditRow
		var at int64
		err := row.Scan(&r.ID, &at, &r.Actor, &r.Action, &r.Queue, &r.Target, &r.Count, &r.Outcome, &r.Detail)
		r.At = fromMicros(at)
		list = append(list, r)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("sqlite: list the audit: %w", err)
	}
	return list, nil
}
