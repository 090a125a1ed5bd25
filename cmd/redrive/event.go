package main

import (
	"context"
	"net/http"
	"strconv"
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
	At             time.Time `json:"at"`
	Queue          string    `json:"queue"`
	What           string    `json:"what"`
	Attempt        int64     `json:"attempt"`
	Error          string    `json:"error"`
	ResponseStatus int       `json:"response_status"`
	// Omitted is how many attempts the timeline leaves out here.
	Omitted int64 `json:"omitted"`
	// Job moved the event back, which Actor had started.
	Job   string `json:"job"`
	Actor string `json:"actor"`
	// Action is what Actor did. On Count entries, where it was many; Perhaps is whether it is unsure that this was one of them.
	Action  string `json:"action"`
	Count   int64  `json:"count"`
	Perhaps bool   `json:"perhaps"`
	Outcome string `json:"outcome"`
	Detail  string `json:"detail"`
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
		rows[i] = []string{stamp(h.At), h.Queue, h.text(), h.more()}
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
	s.facts(rows)
}

// text is what happened, and by whom.
func (h *happening) text() string {
	switch {
	case h.Action != "":
		return h.deed()
	case h.Omitted > 0:
		return number(h.Omitted) + " attempts left out"
	}
	text := strings.ReplaceAll(h.What, "_", " ")
	if h.Attempt > 0 {
		text += " #" + number(h.Attempt)
	}
	if h.Job != "" {
		text += " by job " + h.Job
	}
	if h.Actor != "" {
		text += ", started by " + h.Actor
	}
	return text
}

// deed is what somebody did.
func (h *happening) deed() string {
	text := strings.ReplaceAll(h.Action, "_", " ") + " by " + h.Actor + ", " + h.Outcome
	if h.Count > 1 {
		text += ", of " + number(h.Count) + " entries"
	}
	if h.Perhaps {
		text += ", perhaps this one"
	}
	return text
}

// more is why it happened.
func (h *happening) more() string {
	var parts []string
	if h.ResponseStatus != 0 {
		parts = append(parts, "answered "+strconv.Itoa(h.ResponseStatus))
	}
	for _, text := range []string{cause{Message: h.Error}.short(), h.Detail} {
		if text != "" {
			parts = append(parts, text)
		}
	}
	return strings.Join(parts, "; ")
}
