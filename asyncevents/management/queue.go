package management

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/export"
	"github.com/redrive-go/redrive/retry"
)

var queueRoutes = routes{
	{method: http.MethodGet, pattern: "queues/{queue}", action: ActionView, serve: queuePage, back: "queues/{queue}"},
	{method: http.MethodGet, pattern: "api/queues", action: ActionView, serve: listQueues},
	{method: http.MethodGet, pattern: "api/queues/{queue}", action: ActionView, serve: getQueue},
}

// queueStatus is how a DLQ and its main queue stand.
type queueStatus struct {
	Queue    string         `json:"queue"`
	Depth    int64          `json:"depth"`
	OldestAt time.Time      `json:"oldest_at,omitzero"`
	Backlog  *backlogStatus `json:"backlog,omitempty"`
	RetryJob *jobStatus     `json:"retry_job,omitempty"`
}

// backlogStatus is how many messages of the main queue wait, wait for their time, and are being handled.
type backlogStatus struct {
	Ready    int64 `json:"ready"`
	Delayed  int64 `json:"delayed"`
	InFlight int64 `json:"in_flight"`
}

// queueList is every DLQ.
type queueList struct {
	Queues []queueStatus `json:"queues"`
}

func listQueues(c *call) (answer, error) {
	list, err := c.queueList(c.r.Context())
	for i, status := range list.Queues {
		list.Queues[i] = c.shownQueue(status)
	}
	return jsonAnswer{http.StatusOK, list}, err
}

func getQueue(c *call) (answer, error) {
	status, err := c.queueStatus(c.r.Context(), c.queue)
	return jsonAnswer{http.StatusOK, c.shownQueue(status)}, err
}

// pageGroups is how many causes a queue's page lists, those with most entries first.
const pageGroups = 10

// queueView is a DLQ, why its entries are there, and one page of what the filter finds among them.
type queueView struct {
	queueStanding
	Groups []dlq.Group
	Filter filterView
	// Counted is the entries that the filter means, where it was asked for their number; nil otherwise. All need no asking.
	Counted *countedSet
	// Next is the relative URL of the page after this one.
	Next    string
	Page    dlq.Page
	Formats []string
	// Quarantine is from how many redrives on entries are quarantined; 0 for never.
	Quarantine int
}

// countedSet is how many entries there were up to an id: what is confirmed means those, whatever comes in meanwhile.
type countedSet struct{ Count, UpTo int64 }

func queuePage(c *call) (answer, error) {
	status, err := c.queueStatus(c.r.Context(), c.queue)
	if err != nil {
		return nil, err
	}
	page, err := c.entries(c.dlq.List)
	if err != nil {
		return nil, err
	}
	groups, err := c.dlq.Groups(c.r.Context(), c.queue, pageGroups)
	if err != nil {
		return nil, err
	}
	view := queueView{Groups: groups, Filter: c.filterView("queues/" + c.queue), Page: page, Formats: export.Formats()}
	view.queueStatus = status
	if view.Recent, err = c.recent(c.r.Context(), c.queue); err != nil {
		return nil, err
	}
	view.Next = c.nextPage(view.Filter, page.NextCursor)
	if view.Counted, err = c.counted(view.Filter.Filtered); err != nil {
		return nil, err
	}
	if view.Quarantine, err = c.quarantine(); err != nil {
		return nil, err
	}
	return c.page(http.StatusOK, "queue", queueTitle(c.queue), view), nil
}

// counted is the entries that the page's filter means, nil for one that nobody asked to count: it may mean to read the whole DLQ.
func (c *call) counted(filtered bool) (*countedSet, error) {
	if filtered && !c.r.URL.Query().Has(paramCount) {
		return nil, nil //nolint:nilnil // nobody asked
	}
	filter, err := c.filter()
	if err != nil {
		return nil, err
	}
	count, upTo, err := c.dlq.Count(c.r.Context(), c.queue, filter)
	return &countedSet{count, upTo}, err
}

func (h *handler) queueList(ctx context.Context) (queueList, error) {
	list := queueList{Queues: []queueStatus{}}
	for _, name := range queueNames {
		status, err := h.queueStatus(ctx, name)
		if err != nil {
			return queueList{}, err
		}
		list.Queues = append(list.Queues, status)
	}
	return list, nil
}

func (h *handler) queueStatus(ctx context.Context, name string) (queueStatus, error) {
	stats, err := h.dlq.Stat(ctx, name)
	if err != nil {
		return queueStatus{}, err
	}
	status := queueStatus{Queue: name, Depth: stats.Count, OldestAt: stats.OldestAt.UTC()}
	status.Backlog = h.backlogStatus(ctx, name)
	job, err := h.jobs.Job(ctx, name)
	switch {
	case errors.Is(err, retry.ErrNoJob):
		return status, nil
	case err != nil:
		return queueStatus{}, err
	}
	view := h.jobStatus(ctx, job)
	status.RetryJob = &view
	return status, nil
}

// backlogStatus returns nil where the transport cannot tell. It can be down while the DLQ is there to be looked into, so
// its error only goes to the log.
func (h *handler) backlogStatus(ctx context.Context, name string) *backlogStatus {
	backlog, known, err := h.backlog(ctx, name)
	if err != nil {
		h.cfg.Logger.WarnContext(ctx, "management: backlog unknown", "queue", name, "error", err)
	}
	if err != nil || !known {
		return nil
	}
	return &backlogStatus{Ready: backlog.Ready, Delayed: backlog.Delayed, InFlight: backlog.InFlight}
}
