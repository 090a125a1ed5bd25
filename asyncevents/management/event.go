package management

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/retry"
)

var eventRoutes = routes{
	{method: http.MethodGet, pattern: "events", action: ActionView, serve: eventPage},
	{method: http.MethodGet, pattern: "api/events/{id}", action: ActionView, serve: getEvent},
}

const (
	// maxActions is how many of the latest audit rows about an event its timeline has.
	maxActions = 100
	// maxHeld is how many dead letters of an event are looked for in each DLQ: its own message makes one, and its callback.
	maxHeld = 10
)

// eventStatus is all that is known of an event.
type eventStatus struct {
	CorrelationID string `json:"correlation_id"`
	// Status and what follows it are those of the record; absent where there is none, as for what another program published.
	Status        asyncevents.Status         `json:"status,omitempty"`
	Attempts      int                        `json:"attempts"`
	NextAttemptAt time.Time                  `json:"next_attempt_at,omitzero"`
	Callback      asyncevents.CallbackStatus `json:"callback,omitempty"`
	Timeline      []happening                `json:"timeline"`
	Entries       []heldEntry                `json:"entries"`
}

// What the management adds to the happenings of a record.
const (
	// whatAction is what somebody did, or tried to do, to the event alone.
	whatAction asyncevents.Happening = "action"
	// whatErased is a dead letter that was erased, maybe with many others.
	whatErased asyncevents.Happening = "erased"
)

// happening is a milestone of an event, or what somebody did to it.
type happening struct {
	asyncevents.Milestone
	// Actor is who did it; of a redrive by a job, who started that.
	Actor   string `json:"actor,omitempty"`
	Action  string `json:"action,omitempty"`
	Outcome string `json:"outcome,omitempty"`
	Detail  string `json:"detail,omitempty"`
}

// heldEntry is a dead letter of an event.
type heldEntry struct {
	Queue     string    `json:"queue"`
	ID        int64     `json:"id,string"`
	CreatedAt time.Time `json:"created_at"`
	// Erased is whether it stands among those that were erased, and may be restored.
	Erased bool `json:"erased,omitempty"`
}

func getEvent(c *call) (answer, error) {
	status, err := c.eventStatus(c.id)
	return jsonAnswer{http.StatusOK, status}, err
}

// eventView is what the page of an event shows.
type eventView struct {
	// Asked is the correlation id that was asked for; "" for none.
	Asked string
	// Event is what is known of it; nil where that is nothing.
	Event *eventStatus
}

// eventPage shows an event, or asks which one.
func eventPage(c *call) (answer, error) {
	id := plainLine(c.r.URL.Query().Get(filterCorrelationID))
	if id == "" {
		return c.page(http.StatusOK, "event", "Find an event", eventView{}), nil
	}
	status, err := c.eventStatus(id)
	if problem := new(asyncevents.Problem); errors.As(err, &problem) && problem.HTTPStatus == http.StatusNotFound {
		return c.page(http.StatusNotFound, "event", "Find an event", eventView{Asked: id}), nil
	}
	if err != nil {
		return nil, err
	}
	return c.page(http.StatusOK, "event", "Event "+id, eventView{Asked: id, Event: &status}), nil
}

func (c *call) eventStatus(id string) (eventStatus, error) {
	status := eventStatus{CorrelationID: id, Entries: []heldEntry{}}
	entries, err := c.heldOf(&status)
	if err != nil {
		return status, err
	}
	record, err := c.event(c.r.Context(), id)
	switch {
	case err == nil:
		status.Status, status.Attempts, status.Callback = record.Status, record.Attempts, record.Callback.Status
		status.NextAttemptAt = record.NextAttemptAt.UTC()
	case !errors.Is(err, asyncevents.ErrNotFound):
		return status, err
	case len(entries) == 0:
		return status, newEventProblem()
	default:
		record = recordOf(&entries[0])
		status.Attempts = record.Attempts
	}
	return status, c.addTimeline(&status, &record)
}

// addTimeline puts together what the record, the DLQs and the audit log know.
func (c *call) addTimeline(status *eventStatus, record *asyncevents.Record) error {
	for _, m := range record.Timeline() {
		by, err := c.starterOf(m)
		if err != nil {
			return err
		}
		status.Timeline = append(status.Timeline, happening{Milestone: m, Actor: by})
	}
	for _, held := range status.Entries {
		if held.Erased {
			erased := asyncevents.Milestone{At: held.CreatedAt, Queue: held.Queue, What: whatErased}
			status.Timeline = append(status.Timeline, happening{Milestone: erased})
		}
	}
	if err := c.addActions(status); err != nil {
		return err
	}
	slices.SortStableFunc(status.Timeline, func(a, b happening) int { return a.At.Compare(b.At) })
	return nil
}

// starterOf is who started the retry job of a redrive; "" for none, and for one that is no longer among the latest.
func (c *call) starterOf(m asyncevents.Milestone) (string, error) {
	if m.Job == "" {
		return "", nil
	}
	jobs, err := c.jobs.Jobs(c.r.Context(), m.Queue, "", retry.MaxJobs)
	for _, job := range jobs {
		if job.ID == m.Job {
			return job.StartedBy, err
		}
	}
	return "", err
}

// recordOf is what a dead letter knows of its event, for one without a record.
func recordOf(entry *dlq.Entry) asyncevents.Record {
	return asyncevents.Record{
		CorrelationID: entry.CorrelationID, Status: asyncevents.StatusFailed, Attempts: entry.Attempts.Last(), History: entry.Attempts,
		CreatedAt: cmp.Or(entry.AcceptedAt, entry.CreatedAt), UpdatedAt: entry.CreatedAt,
	}
}

// heldOf adds the dead letters of an event to its status, and returns those that stand in a DLQ.
func (c *call) heldOf(status *eventStatus) (standing []dlq.Entry, err error) {
	query := dlq.Query{Filter: dlq.Filter{CorrelationID: status.CorrelationID}, Limit: maxHeld}
	for _, queue := range queueNames {
		for _, erased := range []bool{false, true} {
			list := c.dlq.List
			if erased {
				list = c.dlq.Erased
			}
			page, err := list(c.r.Context(), queue, query)
			if err != nil {
				return nil, err
			}
			for _, entry := range page.Entries {
				status.Entries = append(status.Entries, heldEntry{queue, entry.ID, entry.CreatedAt.UTC(), erased})
			}
			if !erased {
				standing = append(standing, page.Entries...)
			}
		}
	}
	return standing, nil
}

// addActions adds what people did to the event to its timeline.
func (c *call) addActions(status *eventStatus) error {
	query := asyncevents.AuditQuery{CorrelationID: status.CorrelationID, Limit: maxActions}
	rows, err := c.audit.List(c.r.Context(), query)
	if err != nil {
		return err
	}
	for _, row := range rows {
		status.Timeline = append(status.Timeline, happening{
			Milestone: asyncevents.Milestone{At: row.At.UTC(), Queue: row.Queue, What: whatAction},
			Actor:     row.Actor, Action: row.Action, Outcome: row.Outcome, Detail: row.Detail,
		})
	}
	return nil
}
