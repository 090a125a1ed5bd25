package sqlite

import (
	"time"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/internal/sqlstore"
)

// An empty history leaves the one that is recorded.
const (
	updateEvent = `
		UPDATE events SET status = ?1, attempts = ?2, next_attempt_at = 0, response = ?3, updated_at = ?4,
			history = coalesce(nullif(?5, ''), history)
		WHERE correlation_id = ?6`
	updateWaitingEvent = `
		UPDATE events SET attempts = ?1, next_attempt_at = ?2, updated_at = ?3, history = coalesce(nullif(?4, ''), history)
		WHERE correlation_id = ?5 AND attempts <= ?1`
	updateCallback = `
		UPDATE events SET callback = ?, callback_attempts = ?, callback_next_at = 0, callback_updated_at = ?,
			callback_history = coalesce(nullif(?, ''), callback_history)
		WHERE correlation_id = ?`
	updateWaitingCallback = `
		UPDATE events SET callback_attempts = ?1, callback_next_at = ?2, callback_updated_at = ?3,
			callback_history = coalesce(nullif(?4, ''), callback_history)
		WHERE correlation_id = ?5 AND callback_attempts <= ?1`
)

// RecordEvents implements sqlstore.Dialect.
func (d *dialect) RecordEvents(t sqlstore.Tx, outcomes []*asyncevents.Settlement) error {
	now := time.Now()
	for _, s := range outcomes {
		if err := recordEvent(t, s, now); err != nil {
			return err
		}
	}
	return nil
}

func recordEvent(t sqlstore.Tx, s *asyncevents.Settlement, now time.Time) (err error) {
	if s.Again != nil {
		due := now.Add(s.Again.After).UnixMicro()
		_, err = t.Exec(updateWaitingEvent, s.Attempts, due, now.UnixMicro(), s.History.String(), s.CorrelationID)
		return err
	}
	_, err = t.Exec(updateEvent, string(s.Status), s.Attempts, []byte(s.Response), now.UnixMicro(), s.History.String(), s.CorrelationID)
	if err == nil && s.Callback != asyncevents.CallbackNone {
		_, err = t.Exec(updateCallback, string(s.Callback), 0, now.UnixMicro(), "", s.CorrelationID)
	}
	return err
}

// RecordCallbacks implements sqlstore.Dialect.
func (d *dialect) RecordCallbacks(t sqlstore.Tx, outcomes []*asyncevents.Settlement) (err error) {
	now := time.Now()
	for _, s := range outcomes {
		if s.Again != nil {
			due := now.Add(s.Again.After).UnixMicro()
			_, err = t.Exec(updateWaitingCallback, s.Attempts, due, now.UnixMicro(), s.History.String(), s.CorrelationID)
		} else {
			_, err = t.Exec(updateCallback, string(s.Callback), s.Attempts, now.UnixMicro(), s.History.String(), s.CorrelationID)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
