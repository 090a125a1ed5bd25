package management

import (
	"net/http"
	"slices"

	"github.com/redrive-go/redrive/dlq"
)

var erasedRoutes = routes{
	{method: http.MethodGet, pattern: "queues/{queue}/erased", action: ActionView, serve: erasedPage},
	{method: http.MethodPost, pattern: "queues/{queue}/erased/restore", action: ActionErase, audit: "restore",
		serve: restoreErased, back: "queues/{queue}/erased", done: flashRestored},

	{method: http.MethodGet, pattern: "api/queues/{queue}/erased", action: ActionView,
		params: slices.Concat([]string{paramLimit, paramCursor}, filterParams), serve: listErased},
	{method: http.MethodPost, pattern: "api/queues/{queue}/erased/restore", action: ActionErase, audit: "restore",
		fields: slices.Concat([]string{fieldDryRun}, filterFields), serve: restoreErased},
}

func listErased(c *call) (answer, error) {
	page, err := c.entries(c.dlq.Erased)
	return jsonAnswer{http.StatusOK, entryList(page)}, err
}

// erasedView is one page of what was erased from a DLQ.
type erasedView struct {
	Queue  string
	Filter filterView
	Page   dlq.Page
	Next   string
}

func erasedPage(c *call) (answer, error) {
	page, err := c.entries(c.dlq.Erased)
	if err != nil {
		return nil, err
	}
	view := erasedView{Queue: c.queue, Filter: c.filterView("queues/" + c.queue + "/erased"), Page: page}
	view.Next = c.nextPage(view.Filter, page.NextCursor)
	return c.page(http.StatusOK, "erased", "Erased from the "+queueTitle(c.queue), view), nil
}

// restoredJSON is how many entries are back in the DLQ.
type restoredJSON struct {
	Restored int64 `json:"restored"`
}

func restoreErased(c *call) (answer, error) {
	filter, dry, err := c.asked()
	if err != nil {
		return nil, err
	}
	if dry {
		return c.dryRunOf(c.dlq.CountErased(c.r.Context(), c.queue, filter))
	}
	restored, err := c.dlq.Restore(c.r.Context(), c.queue, filter)
	c.row.Count = restored // also of a restoration that broke off
	return jsonAnswer{http.StatusOK, restoredJSON{restored}}, err
}
