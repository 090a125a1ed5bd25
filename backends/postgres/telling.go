package postgres

import (
	"log/slog"
	"time"
)

// telling is whether other processes are told of new messages. It logs when that changes.
type telling struct {
	log     *slog.Logger
	failing bool // as it was logged
	lastAt  time.Time
}

// ends notes at a time what became of a notification.
func (t *telling) ends(at time.Time, err error) {
	switch {
	case err == nil && t.failing:
		t.failing = false
		t.log.Info("postgres: other processes are notified again")
	case err != nil && !t.failing && at.Sub(t.lastAt) >= sayAgain:
		t.failing, t.lastAt = true, at
		t.log.Warn("postgres: cannot notify other processes; they poll until that works", "error", err)
	}
}
