package management

import (
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
	// maxLatest is among how many of the latest audit rows those are looked for that are about many entries.
	maxLatest = 1000
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
	// Count is on how many entries it was, and Perhaps whether nobody knows if the event's was one of them.
	Count   int64 `json:"count,omitempty"`
	Perhaps bool  `json:"perhaps,omitempty"`
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
	if problem, ok := errors.AsType[*asyncevents.Problem](err); ok && problem.HTTPStatus == http.StatusNotFound {
		return c.page(http.StatusOK, "event", "Find an event", eventView{Asked: id}), nil
	}
	if err != nil {
		return nil, err
	}
	return c.page(http.StatusOK, "event", "Event "+id, eventView{Asked: id, Event: &status}), nil
}

func (c *call) eventStatus(id string) (eventStatus, error) {
	status := eventStatus{CorrelationID: id, Entries: []heldEntry{}}
	if plainLine(id) != id { // no event has such an id, and not every store takes it
		return status, newEventProblem()
	}
	held, err := c.heldOf(&status)
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
	case len(held) == 0:
		return status, newEventProblem()
	default:
		record = recordOf(held)
		status.Attempts = record.Attempts
	}
	return status, c.addTimeline(&status, &record)
}

// heldOf adds the dead letters of an event to its status, and returns them.
func (c *call) heldOf(status *eventStatus) (held []dlq.Entry, err error) {
	query := dlq.Query{Filter: dlq.Filter{CorrelationID: status.CorrelationID}, Limit: maxHeld}
	for _, queue := range queueNames {
		standing, err := c.dlq.List(c.r.Context(), queue, query)
		if err != nil {
			return nil, err
		}
		erased, err := c.dlq.Erased(c.r.Context(), queue, query)
		if err != nil {
			return nil, err
		}
		for i, entry := range slices.Concat(standing.Entries, erased.Entries) {
			status.Entries = append(status.Entries, heldEntry{queue, entry.ID, entry.CreatedAt.UTC(), i >= len(standing.Entries)})
			entry.Queue = queue
			held = append(held, entry)
		}
	}
	return held, nil
}

// recordOf is what dead letters know of their event, for one without a record: of several the first that stands.
func recordOf(held []dlq.Entry) (record asyncevents.Record) {
	for _, entry := range slices.Backward(held) {
		var ended time.Time
		if n := len(entry.Attempts); n > 0 {
			ended = entry.Attempts[n-1].EndedAt()
		}
		if entry.Queue == asyncevents.CallbacksQueue {
			record.Callback = asyncevents.CallbackRecord{
				Status: asyncevents.CallbackFailed, Attempts: entry.Attempts.Last(), History: entry.Attempts, UpdatedAt: ended,
			}
			continue
		}
		record.Status, record.Attempts, record.History = asyncevents.StatusFailed, entry.Attempts.Last(), entry.Attempts
		record.CreatedAt, record.UpdatedAt = entry.AcceptedAt, ended
	}
	return record
}

// addTimeline puts together what the record, the DLQs and the audit log know.
func (c *call) addTimeline(status *eventStatus, record *asyncevents.Record) error {
	line := make([]happening, 0, 16)
	starters := starters{call: c}
	for _, m := range record.Timeline() {
		by, err := starters.of(m)
		if err != nil {
			return err
		}
		line = append(line, happening{Milestone: m, Actor: by})
	}
	actions, err := c.actionsOn(status.CorrelationID, line)
	if err != nil {
		return err
	}
	for _, held := range status.Entries {
		if held.Erased {
			actions = append(actions, happening{Milestone: asyncevents.Milestone{At: held.CreatedAt, Queue: held.Queue, What: whatErased}})
		}
	}
	at := func(h happening) time.Time { return h.At }
	slices.SortStableFunc(actions, func(a, b happening) int { return at(a).Compare(at(b)) })
	status.Timeline = asyncevents.MergeTimelines(line, actions, at)
	return nil
}

// starters knows who started which retry job, once somebody asked.
type starters struct {
	*call
	known map[string]map[string]string // of each queue, by the job
}

// of is who started the retry job of a redrive; "" for none, and for one that is no longer among the latest.
func (s *starters) of(m asyncevents.Milestone) (string, error) {
	if m.Job == "" {
		return "", nil
	}
	if s.known[m.Queue] == nil {
		jobs, err := s.jobs.Jobs(s.r.Context(), m.Queue, "", retry.MaxJobs)
		if err != nil {
			return "", err
		}
		by := make(map[string]string, len(jobs))
		for _, job := range jobs {
			by[job.ID] = job.StartedBy
		}
		if s.known == nil {
			s.known = map[string]map[string]string{}
		}
		s.known[m.Queue] = by
	}
	return s.known[m.Queue][m.Job], nil
}

// actionsOn is what people did to an event, the oldest first; and to many entries at once while it was a dead letter, of which it
// perhaps was one.
func (c *call) actionsOn(id string, line []happening) (actions []happening, err error) {
	own, err := c.audit.List(c.r.Context(), asyncevents.AuditQuery{CorrelationID: id, Limit: maxActions})
	if err != nil {
		return nil, err
	}
	for _, row := range own {
		actions = append(actions, c.actionOf(row, false))
	}
	dead := deadSince(line)
	if len(dead) == 0 {
		return actions, nil
	}
	latest, err := c.audit.List(c.r.Context(), asyncevents.AuditQuery{Limit: maxLatest})
	for _, row := range latest {
		since, was := dead[row.Queue]
		if was && !row.At.Before(since) && isBulk(row) {
			actions = append(actions, c.actionOf(row, true))
		}
	}
	return actions, err
}

// deadSince is when the messages of an event came into their DLQs for the first time.
func deadSince(line []happening) map[string]time.Time {
	since := map[string]time.Time{}
	for _, h := range line {
		if _, known := since[h.Queue]; !known && h.What == asyncevents.HappenedDeadLettered {
			since[h.Queue] = h.At
		}
	}
	return since
}

// isBulk is whether a row is about several entries which they do not tell of themselves: those of a retry job name it.
func isBulk(row asyncevents.AuditRow) bool {
	return row.CorrelationID == "" && row.Outcome == outcomeAllowed && row.Count > 0 &&
		slices.Contains([]string{"erase", "restore", "import"}, row.Action)
}

func (c *call) actionOf(row asyncevents.AuditRow, perhaps bool) happening {
	row = c.shownRow(row)
	return happening{
		Milestone: asyncevents.Milestone{At: row.At, Queue: row.Queue, What: whatAction},
		Actor:     row.Actor, Action: row.Action, Outcome: row.Outcome, Detail: row.Detail, Count: row.Count, Perhaps: perhaps,
	}
}
