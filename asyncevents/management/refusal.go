package management

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/dlq"
)

// refuse turns an error into an answer. Those that are nobody's mistake but the store's are logged.
func (c *call) refuse(err error) answer {
	problem := problemOf(err)
	if problem.HTTPStatus >= http.StatusInternalServerError {
		c.cfg.Logger.ErrorContext(c.r.Context(), "management: request failed", "method", c.r.Method,
			"route", c.pattern(), "error", err)
	}
	c.setErrorHeaders(problem, err)
	if c.isAPI() {
		body := errorBody{Status: "error", Error: problem, Imported: importedBefore(err)}
		if count, ok := errors.AsType[*dlq.CountError](err); ok {
			body.Count, body.UpTo = &count.Present, count.UpTo
		}
		return jsonAnswer{problem.HTTPStatus, body}
	}
	if code := strconv.Itoa(problem.Code); c.route != nil && c.route.back != "" && flashes[code].Text != "" {
		return c.leadBack(code)
	}
	return c.page(problem.HTTPStatus, "problem", http.StatusText(problem.HTTPStatus), problem)
}

func (c *call) setErrorHeaders(problem *asyncevents.Problem, err error) {
	if method, ok := errors.AsType[*methodError](err); ok {
		c.w.Header().Set("Allow", method.header())
	}
	if problem.RetryAfter > 0 {
		c.w.Header().Set("Retry-After", strconv.Itoa(int(problem.RetryAfter/time.Second)))
	}
}

// pattern is the route's, "" when no route takes the request.
func (c *call) pattern() string {
	if c.route == nil {
		return ""
	}
	return c.route.pattern
}
