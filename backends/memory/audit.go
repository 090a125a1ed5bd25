package memory

import (
	"context"
	"time"

	"github.com/redrive-go/redrive/asyncevents"
)

// audit keeps what people did, oldest first; row n has the id n+1. It implements asyncevents.AuditLog.
type audit struct {
	*state
	rows []asyncevents.AuditRow
}

// Append adds a row.
func (a *audit) Append(ctx context.Context, row asyncevents.AuditRow) error {
	if err := a.lock(ctx, "append to the audit log"); err != nil {
		return err
	}
	defer a.mu.Unlock()
	row.ID = int64(len(a.rows)) + 1
	row.At = time.Now().UTC()
	a.rows = append(a.rows, row)
	return nil
}

// List returns the latest rows.
func (a *audit) List(ctx context.Context, q asyncevents.AuditQuery) ([]asyncevents.AuditRow, error) {
	if err := a.lock(ctx, "list the audit log"); err != nil {
		return nil, err
	}
	defer a.mu.Unlock()
	end := int64(len(a.rows))
	if q.Before > 0 {
		end = min(end, q.Before-1)
	}
	var list []asyncevents.AuditRow
	for i := end - 1; i >= 0 && len(list) < q.Limit; i-- {
		if q.CorrelationID == "" || a.rows[i].CorrelationID == q.CorrelationID {
			list = append(list, a.rows[i])
		}
	}
	return list, nil
}
