package management

import (
	"context"
	"net/http"
	"time"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/retry"
)

// auditTimeout bounds how long an audit row may take once the action is done.
const auditTimeout = 10 * time.Second

// Outcomes of an audit row.
const (
	outcomeAllowed = "allowed"
	outcomeDenied  = "denied"
	outcomeFailed  = "failed"
)

var auditRoutes = routes{
	{method: http.MethodGet, pattern: "audit", action: ActionView, serve: auditPage},
	{method: http.MethodGet, pattern: "api/audit", action: ActionView, params: []string{paramLimit, paramBefore, filterCorrelationID},
		serve: listAudit},
}

// audited is whether the request leaves an audit row. HEAD is not a download.
func (c *call) audited() bool { return c.route.audit != "" && c.r.Method != http.MethodHead }

// record writes the request's audit row. It is written also when the client has hung up meanwhile. What was done cannot
// be undone, so a row that cannot be written is an error in the log.
func (h *handler) record(c *call, err error) {
	row := c.row
	row.Action, row.Outcome = c.route.audit, outcomeOf(err)
	switch {
	case row.Detail != "":
	case err != nil:
		row.Detail = problemOf(err).Message
	default:
		row.Detail = c.meant
	}
	row.Detail = retry.CutText(plainText(row.Detail))
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.r.Context()), auditTimeout)
	defer cancel()
	if err := h.audit.Append(ctx, row); err != nil {
		h.cfg.Logger.ErrorContext(ctx, "management: audit row could not be written", "actor", row.Actor,
			"action", row.Action, "queue", row.Queue, "target", row.Target, "count", row.Count,
			"outcome", row.Outcome, "error", err)
	}
}

func outcomeOf(err error) string {
	if err == nil {
		return outcomeAllowed
	}
	switch problemOf(err).HTTPStatus {
	case http.StatusUnauthorized, http.StatusForbidden:
		return outcomeDenied
	default:
		return outcomeFailed
	}
}

// auditList is some rows of the audit log, newest first.
type auditList struct {
	Rows []asyncevents.AuditRow `json:"rows"`
	// Next is the id to ask for older rows with; 0 when there are none. Pages use it.
	Next int64 `json:"-"`
}

func listAudit(c *call) (answer, error) {
	list, err := c.auditList()
	return jsonAnswer{http.StatusOK, list}, err
}

func auditPage(c *call) (answer, error) {
	list, err := c.auditList()
	if err != nil {
		return nil, err
	}
	return c.page(http.StatusOK, "audit", "Audit log", list), nil
}

func (c *call) auditList() (auditList, error) {
	limit, err := c.limit()
	if err != nil {
		return auditList{}, err
	}
	before, err := c.before()
	if err != nil {
		return auditList{}, err
	}
	query := asyncevents.AuditQuery{Before: before, CorrelationID: c.r.URL.Query().Get(filterCorrelationID), Limit: limit}
	rows, err := c.audit.List(c.r.Context(), query)
	if err != nil {
		return auditList{}, err
	}
	list := auditList{Rows: append([]asyncevents.AuditRow{}, rows...)}
	for i, row := range list.Rows {
		list.Rows[i] = c.shownRow(row)
	}
	if len(rows) == limit {
		list.Next = rows[limit-1].ID
	}
	return list, nil
}

// before is the id that rows have to be below; 0 for all.
func (c *call) before() (int64, error) {
	return idOf(c.r.URL.Query(), paramBefore, "an audit row")
}
