package management

import (
	"fmt"
	"time"

	"github.com/redrive-go/redrive/dlq"
)

// moment is something that happened to an entry's message.
type moment struct {
	At   time.Time
	What string
	// After is how long that was after the moment before; "" for the first.
	After string
	// Bad is whether something failed then.
	Bad bool
}

// timelineOf is what happened to an entry's message, as far as the entry tells, the earliest first.
func timelineOf(e *dlq.Entry) (timeline []moment) {
	add := func(at time.Time, what string, bad bool) {
		if at.IsZero() {
			return
		}
		m := moment{At: at, What: what, Bad: bad}
		if n := len(timeline); n > 0 {
			m.After = max(0, at.Sub(timeline[n-1].At)).Round(time.Millisecond).String()
		}
		timeline = append(timeline, m)
	}
	add(e.AcceptedAt, "accepted", false)
	for _, a := range e.Attempts {
		what := fmt.Sprintf("attempt %d failed", a.Number)
		if a.ResponseStatus != 0 {
			what += fmt.Sprintf(", answered with %d", a.ResponseStatus)
		}
		add(a.StartedAt, what, true)
	}
	add(e.CreatedAt, "came into the DLQ", true)
	return timeline
}
