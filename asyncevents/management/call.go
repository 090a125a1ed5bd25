package management

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/dlq"
)

// Parameters in the query string.
const (
	paramLimit   = "limit"
	paramCursor  = "cursor"
	paramConfirm = "confirm"
	paramBefore  = "before"
	paramFlash   = "flash"
	paramAll     = "all"
	paramCount   = "count"
	// paramFlashCount is the number in a flash.
	paramFlashCount = "n"

	// paramSelected is sent by the form in which entries are selected: then there have to be some.
	paramSelected = "selected"
)

// call is one request on its way.
type call struct {
	*handler
	w     http.ResponseWriter
	r     *http.Request
	place place
	// route takes the request; nil when none does.
	route *route
	// allow is the methods of the path when no route takes the request's.
	allow []string
	// queue and id are the path's variables.
	queue, id string
	// fields is the JSON body of an API call that changes something.
	fields object
	// row is what the audit log will say. What serves the route fills in count and detail, and a target that the path
	// does not name.
	row asyncevents.AuditRow
	// meant is the filter's criteria of what was meant, which the audit log gets where there is nothing else to say.
	meant string
}

func (h *handler) newCall(w http.ResponseWriter, r *http.Request) *call {
	c := &call{handler: h, w: w, r: r, place: h.mount.place(r)}
	var vars map[string]string
	c.route, vars, c.allow = h.routes.find(r.Method, c.place.segments)
	c.queue, c.id = vars["queue"], vars["id"]
	c.row.Target = plainLine(c.id)
	if slices.Contains(queueNames, c.queue) {
		c.row.Queue = c.queue
	}
	return c
}

// isAPI is whether a program asked, so that errors are JSON.
func (c *call) isAPI() bool {
	return len(c.place.segments) > 0 && c.place.segments[0] == "api"
}

// check refuses unknown queues and, in the API, unknown parameters and fields of the body, and empty ones of a filter: what was
// meant as a filter and is not read would make the call do more than was asked for.
func (c *call) check() error {
	if c.queue != "" && !slices.Contains(queueNames, c.queue) {
		return newQueueProblem()
	}
	for name, values := range c.r.URL.Query() {
		if slices.ContainsFunc(values, func(value string) bool { return plainText(value) != value }) {
			return newMalformedProblem("Parameter '" + plainLine(name) + "' must be UTF-8 text without control characters")
		}
	}
	if !c.isAPI() {
		return nil
	}
	for name, values := range c.r.URL.Query() {
		if !slices.Contains(c.route.params, name) {
			return newUnsupportedProblem("Parameter", name)
		}
		if slices.Contains(filterParams, name) && slices.Contains(values, "") {
			return newMalformedProblem("Parameter '" + name + "' is empty")
		}
	}
	if !c.route.changes() || c.route.streams {
		return nil
	}
	var err error
	c.fields, err = c.object(c.route.fields...)
	return err
}

// may is whether the sender is allowed another action too, so that pages show no button in vain.
func (c *call) may(action Action) bool {
	_, err := c.authorize.ask(c.r, action)
	return err == nil
}

// limit returns the parameter of that name, the default where it is absent.
func (c *call) limit() (int, error) {
	text := c.r.URL.Query().Get(paramLimit)
	if text == "" {
		return dlq.DefaultPage, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > dlq.MaxPage {
		return 0, newMalformedProblem(fmt.Sprintf("Parameter 'limit' must be 1 to %d", dlq.MaxPage))
	}
	return n, nil
}

// entryID returns the id of an entry in the path. What is no id names no entry.
func (c *call) entryID() (int64, error) {
	id, err := strconv.ParseInt(c.id, 10, 64)
	if err != nil || id < 1 {
		return 0, newEntryProblem()
	}
	return id, nil
}

// input returns a field of a page's form, or a parameter of an API call.
func (c *call) input(name string) (string, error) {
	if c.isAPI() {
		return c.r.URL.Query().Get(name), nil
	}
	if err := c.r.ParseForm(); err != nil {
		return "", bodyProblem(err)
	}
	return c.r.PostForm.Get(name), nil
}
