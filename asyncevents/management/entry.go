package management

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"

	"github.com/redrive-go/redrive/dlq"
)

var entryRoutes = routes{
	{method: http.MethodGet, pattern: "queues/{queue}/entries/{id}", action: ActionView, serve: entryPage},
	{method: http.MethodPost, pattern: "queues/{queue}/retry-one", action: ActionRetry, audit: "retry",
		serve: retryOldest, back: "queues/{queue}", done: flashRetried},
	{method: http.MethodPost, pattern: "queues/{queue}/entries/{id}/retry", action: ActionRetry, audit: "retry",
		serve: retryEntry, back: "queues/{queue}", done: flashRetried},
	{method: http.MethodPost, pattern: "queues/{queue}/erase", action: ActionErase, audit: "erase",
		serve: eraseEntries, back: "queues/{queue}", done: flashErased},

	{method: http.MethodGet, pattern: "api/queues/{queue}/entries", action: ActionView,
		params: slices.Concat([]string{paramLimit, paramCursor}, filterParams), serve: listEntries},
	{method: http.MethodDelete, pattern: "api/queues/{queue}/entries", action: ActionErase, audit: "erase",
		params: slices.Concat([]string{paramConfirm, fieldDryRun}, filterParams), serve: eraseEntries},
	{method: http.MethodGet, pattern: "api/queues/{queue}/entries/{id}", action: ActionView, serve: getEntry},
	{method: http.MethodPost, pattern: "api/queues/{queue}/entries/{id}/retry", action: ActionRetry, audit: "retry",
		serve: retryEntry},
	{method: http.MethodPost, pattern: "api/queues/{queue}/retry-one", action: ActionRetry, audit: "retry",
		serve: retryOldest},
}

// entryJSON is one entry, whole.
type entryJSON dlq.Entry

func (e entryJSON) appendJSON(dst []byte) ([]byte, error) { return dlq.Entry(e).AppendJSON(dst) }

// heldJSON is an entry that an answer says something of: that it was moved back, or how its payload differs from another one.
type heldJSON struct {
	Entry dlq.Entry
	// Difference is "" where there is none to tell, or it is not for the sender's eyes.
	Difference string
}

func (h heldJSON) appendJSON(dst []byte) ([]byte, error) {
	dst, err := h.Entry.AppendJSON(append(dst, `{"entry":`...))
	if err != nil || h.Difference == "" {
		return append(dst, '}'), err
	}
	text, err := json.Marshal(h.Difference)
	return append(append(append(dst, `,"difference":`...), text...), '}'), err
}

// entryList is one page of a DLQ.
type entryList dlq.Page

func (l entryList) appendJSON(dst []byte) ([]byte, error) {
	dst = append(dst, `{"entries":[`...)
	for i, entry := range l.Entries {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = entry.AppendJSON(dst); err != nil {
			return dst, err
		}
	}
	dst = append(dst, ']')
	if l.NextCursor != "" {
		cursor, err := json.Marshal(l.NextCursor)
		if err != nil {
			return dst, err
		}
		dst = append(append(dst, `,"next_cursor":`...), cursor...)
	}
	if l.Counted {
		dst = strconv.AppendInt(append(dst, `,"total":`...), l.Total, 10)
	}
	dst = strconv.AppendBool(append(dst, `,"complete":`...), l.Complete)
	return append(dst, '}'), nil
}

func listEntries(c *call) (answer, error) {
	page, err := c.entries(c.dlq.List)
	return jsonAnswer{http.StatusOK, entryList(page)}, err
}

// entries returns the page that the parameters ask for, of the DLQ or of what was erased from it.
func (c *call) entries(list func(context.Context, string, dlq.Query) (dlq.Page, error)) (dlq.Page, error) {
	limit, err := c.limit()
	if err != nil {
		return dlq.Page{}, err
	}
	filter, err := c.filter()
	if err != nil {
		return dlq.Page{}, err
	}
	query := dlq.Query{Filter: filter, Cursor: c.r.URL.Query().Get(paramCursor), Limit: limit}
	page, err := list(c.r.Context(), c.queue, query)
	if err != nil {
		return dlq.Page{}, err
	}
	page.Entries = c.shown(page.Entries...)
	return page, nil
}

func getEntry(c *call) (answer, error) {
	entry, err := c.entry()
	return jsonAnswer{http.StatusOK, entryJSON(entry)}, err
}

func entryPage(c *call) (answer, error) {
	stored, err := c.storedEntry()
	if err != nil {
		return nil, err
	}
	view := entryView{Entry: c.shown(stored)[0]}
	view.Shown = newEntryPayload(view.Payload, c.r.URL.Query().Has(paramAll))
	if view.Quarantine, err = c.quarantine(); err != nil {
		return nil, err
	}
	original, err := c.compared(&stored)
	if err == nil {
		view.Original = &original
	} else if !errors.Is(err, dlq.ErrNotFound) {
		return nil, err
	}
	return c.page(http.StatusOK, "entry", "Entry "+strconv.FormatInt(stored.ID, 10), view), nil
}

// entryView is an entry on a page of its own.
type entryView struct {
	dlq.Entry
	// Shown is its payload, or the beginning of it.
	Shown entryPayload
	// Original is the entry as it was before its message was edited; nil where it was not.
	Original *heldJSON
	// Quarantine is from how many redrives on entries are quarantined; 0 for never.
	Quarantine int
}

// entry is the entry that the path names, as the sender may see it.
func (c *call) entry() (dlq.Entry, error) {
	entry, err := c.storedEntry()
	if err != nil {
		return dlq.Entry{}, err
	}
	return c.shown(entry)[0], nil
}

// storedEntry is the entry that the path names, as it stands in the DLQ: not for everybody's eyes.
func (c *call) storedEntry() (dlq.Entry, error) {
	id, err := c.entryID()
	if err != nil {
		return dlq.Entry{}, err
	}
	entry, err := c.dlq.Get(c.r.Context(), c.queue, id)
	c.row.CorrelationID = entry.CorrelationID
	return entry, err
}

func retryOldest(c *call) (answer, error) {
	return c.moved(c.dlq.RetryOldest(c.r.Context(), c.queue))
}

func retryEntry(c *call) (answer, error) {
	id, err := c.entryID()
	if err != nil {
		return nil, err
	}
	return c.moved(c.dlq.Retry(c.r.Context(), c.queue, id))
}

func (c *call) moved(entry dlq.Entry, err error) (answer, error) {
	if err != nil {
		return nil, err
	}
	c.row.Target, c.row.CorrelationID, c.row.Count = strconv.FormatInt(entry.ID, 10), entry.CorrelationID, 1
	return jsonAnswer{http.StatusOK, heldJSON{Entry: c.shown(entry)[0]}}, nil
}

// erasedJSON is how many entries were erased.
type erasedJSON struct {
	Erased int64 `json:"erased"`
}

func eraseEntries(c *call) (answer, error) {
	filter, dry, err := c.asked()
	if err != nil {
		return nil, err
	}
	if dry {
		return c.dryRunOf(c.dlq.Count(c.r.Context(), c.queue, filter))
	}
	confirm, err := c.confirmed(filter)
	if err != nil {
		return nil, err
	}
	if err := c.notExporting(); err != nil {
		return nil, err
	}
	erased, err := c.erase(c.r.Context(), c.queue, filter, confirm)
	c.row.Count = erased // also of an erasure that broke off
	return jsonAnswer{http.StatusOK, erasedJSON{erased}}, err
}

// notExporting refuses to erase what somebody is just having written to a file: who exports and then erases means to
// keep the file.
func (c *call) notExporting() error {
	running, err := c.running(c.r.Context(), c.queue)
	if err != nil {
		return err
	}
	if len(running) > 0 {
		return newConflictProblem(CodeExportRunning, "An export of this DLQ is being written; erase when it is complete")
	}
	return nil
}

// confirmed is the count that the sender takes the filter to mean. A missing one is as good as a wrong one.
func (c *call) confirmed(filter dlq.Filter) (int64, error) {
	text, err := c.input(paramConfirm)
	if err != nil {
		return 0, err
	}
	if text == "" {
		count, upTo, err := c.dlq.Count(c.r.Context(), c.queue, filter)
		if err != nil {
			return 0, err
		}
		return 0, &dlq.CountError{Present: count, UpTo: upTo}
	}
	confirm, err := strconv.ParseInt(text, 10, 64)
	if err != nil || confirm < 0 {
		return 0, newMalformedProblem("Parameter 'confirm' must be the number of entries to erase")
	}
	return confirm, nil
}
