package sqlstore

import (
	"log/slog"
	"strings"
	"time"
	"unicode"
)

// sayAgain is after how long the same cause is news again.
const sayAgain = time.Minute

// outage is that the database cannot be used from the start. It logs what is news: that, another cause, and its end.
type outage struct {
	log    *slog.Logger
	name   string // of the backend
	cause  string // that was logged
	lastAt time.Time
}

// lasts notes at a time that the database cannot be used because of err.
func (o *outage) lasts(at time.Time, err error) {
	cause := withoutDigits(err)
	if cause == o.cause && at.Sub(o.lastAt) < sayAgain {
		return
	}
	o.cause, o.lastAt = cause, at
	o.log.Warn(o.name+": the database cannot be used yet; it is tried again", "error", err)
}

// withoutDigits is what an error says but for numbers: the port of each connection is another one.
func withoutDigits(err error) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsDigit(r) {
			return -1
		}
		return r
	}, err.Error())
}

// ends notes that the database can be used.
func (o *outage) ends() { o.log.Info(o.name + ": the database can be used") }
