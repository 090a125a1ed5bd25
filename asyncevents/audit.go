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
	// List returns rows, newest first, at most limit of them; with an id below before when that is not 0.
	List(ctx context.Context, before int64, limit int) ([]AuditRow, error)
}
