package postgres

import (
	"errors"
	"log/slog"
	"time"
)

// sayAgain is after how long the same trouble is news again: a connection that breaks again and again is one trouble.
const sayAgain = time.Minute

// errSilent is returned where notifications do not come through, as behind a pooler that hands connections around.
var errSilent = errors.New("notifications do not come through")

// trouble is why notifications are not heard.
type trouble int

const (
	none   trouble = iota
	silent         // they do not come through
	broken         // there is no connection to hear them on
)

// hearing is whether notifications are heard. It logs when that changes.
type hearing struct {
	log    *slog.Logger
	now    trouble
	last   trouble // that was logged
	lastAt time.Time
}

// begins notes that notifications are heard.
func (h *hearing) begins() {
	if h.now != none {
		h.log.Info("postgres: notifications of other processes are heard again")
	}
	h.now = none
}

// ends notes at a time that they are not heard because of err.
func (h *hearing) ends(at time.Time, err error) {
	of := broken
	if errors.Is(err, errSilent) {
		of = silent
	}
	if of == h.now || of == h.last && at.Sub(h.lastAt) < sayAgain {
		return
	}
	h.now, h.last, h.lastAt = of, of, at
	if of == silent {
		h.log.Info("postgres: notifications do not come through, as behind a transaction pooler; polling instead")
		return
	}
	h.log.Warn("postgres: cannot listen for notifications; polling until that works", "error", err)
}
