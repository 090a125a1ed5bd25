package asyncevents

import (
	"context"
	"time"
)

// AuditRow is one thing that a person did, or tried to do, through the management.
type AuditRow struct {
	// ID names the row; ids grow. The AuditLog sets it.
	ID int64 `json:"id,string"`
	// At is when it was done. The AuditLog sets it.
	At time.Time `json:"at"`
	// Actor is who did it, as the authoriser named them.
	Actor string `json:"actor"`
	// Action is what was done, such as "retry" or "erase".
	Action string `json:"action"`
	// Queue is the DLQ it was done to, "" for none.
	Queue string `json:"queue,omitempty"`
	// Target is the id of the entry, job or export it was done to, "" for none.
	Target string `json:"target,omitempty"`
	// CorrelationID is the event that it was about, "" where it was about none or several.
	CorrelationID string `json:"correlation_id,omitempty"`
	// Count is on how many entries.
	Count int64 `json:"count"`
	// Outcome is "allowed", "denied" or "failed".
	Outcome string `json:"outcome"`
	// Detail explains the outcome; it holds no payload.
	Detail string `json:"detail,omitempty"`
}

// AuditLog keeps AuditRows. A backend implements it. It is append-only.
type AuditLog interface {
	// Append adds a row, durably.
	Append(ctx context.Context, row AuditRow) error
	// List returns rows, newest first.
	List(ctx context.Context, query AuditQuery) ([]AuditRow, error)
}

// AuditQuery says which rows AuditLog.List returns.
type AuditQuery struct {
	// Before, when not 0, is the id that theirs have to be below.
	Before int64
	// CorrelationID, when not "", is the event that they have to be about.
	CorrelationID string
	// Limit is how many are returned at most.
	Limit int
}
