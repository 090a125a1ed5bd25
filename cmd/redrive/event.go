package main

import (
	"context"
	"net/http"
	"strings"
	"time"
)

var eventCommand = command{
	name: "event", args: "CORRELATION-ID", least: 1, most: 1, about: "Show where an event stands, and all that happened to it",
	prepare: bare(showEvent),
}

// event is all that is known of an event.
type event struct {
	CorrelationID string      `json:"correlation_id"`
	Status        string      `json:"status"`
	Attempts      int64       `json:"attempts"`
	NextAttemptAt time.Time   `json:"next_attempt_at"`
	Callback      string      `json:"callback"`
	Timeline      []happening `json:"timeline"`
	Entries       []heldEntry `json:"entries"`
}

// happening is one line of an event's timeline.
type happening struct {
	At      time.Time `json:"at"`
	Queue   string    `json:"queue"`
	What    string    `json:"what"`
	Attempt int64     `json:"attempt"`
	Error   string    `json:"error"`
	Job     string    `json:"job"`
	Actor   string    `json:"actor"`
	Action  string    `json:"action"`
	Outcome string    `json:"outcome"`
	Detail  string    `json:"detail"`
}

// heldEntry is a dead letter of an event.
type heldEntry struct {
	Queue  string `json:"queue"`
	ID     string `json:"id"`
	Erased bool   `json:"erased"`
}

func showEvent(ctx context.Context, s *session, args []string) error {
	raw, err := s.client.call(ctx, &request{method: http.MethodGet, path: []string{"events", args[0]}})
	if err != nil {
		return err
	}
	if s.json() {
		return s.printJSON(raw)
	}
	e, err := decode[event](raw)
	if err != nil {
		return err
	}
	s.showStand(e)
	s.tell("")
	rows := make([][]string, len(e.Timeline))
	for i, h := range e.Timeline {
		rows[i] = []string{stamp(h.At), h.Queue, h.text(), h.Error + h.Detail}
	}
	s.table([]string{"AT", "QUEUE", "WHAT", "MORE"}, rows)
	return nil
}

// showStand says where an event stands.
func (s *session) showStand(e event) {
	status := e.Status
	if status == "" {
		status = "no record"
	}
	rows := [][]string{{"event", e.CorrelationID}, {"status", status}, {"attempts", number(e.Attempts)}}
	if !e.NextAttemptAt.IsZero() {
		rows = append(rows, []string{"next attempt", stamp(e.NextAttemptAt)})
	}
	if e.Callback != "" {
		rows = append(rows, []string{"callback", e.Callback})
	}
	for _, held := range e.Entries {
		where := "in the DLQ of "
		if held.Erased {
			where = "erased from the DLQ of "
		}
		rows = append(rows, []string{"entry", held.ID + " " + where + held.Queue})
	}
	s.table(nil, rows)
}

// text is what happened, and by whom.
func (h *happening) text() string {
	if h.Actor != "" || h.Action != "" {
		return strings.ReplaceAll(h.Action, "_", " ") + " by " + h.Actor + ", " + h.Outcome
	}
	text := strings.ReplaceAll(h.What, "_", " ")
	if h.Attempt > 0 {
		text += " #" + number(h.Attempt)
	}
	if h.Job != "" {
		text += " by job " + h.Job
	}
	return text
}
