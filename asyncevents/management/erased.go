package management

import (
	"net/http"
	"slices"
)

var erasedRoutes = routes{
	{method: http.MethodGet, pattern: "api/queues/{queue}/erased", action: ActionView,
		params: slices.Concat([]string{paramLimit, paramCursor}, filterParams), serve: listErased},
	{method: http.MethodPost, pattern: "api/queues/{queue}/erased/restore", action: ActionErase, audit: "restore",
		fields: filterFields, serve: restoreErased},
}

func listErased(c *call) (answer, error) {
	page, err := c.entries(c.dlq.Erased)
	return jsonAnswer{http.StatusOK, entryList(page)}, err
}

// restoredJSON is how many entries are back in the DLQ.
type restoredJSON struct {
	Restored int64 `json:"restored"`
}

func restoreErased(c *call) (answer, error) {
	filter, err := c.filter()
	if err != nil {
		return nil, err
	}
	restored, err := c.dlq.Restore(c.r.Context(), c.queue, filter)
	c.row.Count = restored // also of a restoration that broke off
	return jsonAnswer{http.StatusOK, restoredJSON{restored}}, err
}
