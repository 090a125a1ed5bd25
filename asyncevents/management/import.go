package management

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/export"
)

var importRoutes = routes{
	{method: http.MethodPost, pattern: "api/queues/{queue}/import", action: ActionExport, also: ActionEdit, audit: "import",
		params: []string{paramTarget}, streams: true, serve: importEntries},
	{method: http.MethodPost, pattern: "queues/{queue}/import", action: ActionExport, also: ActionEdit, audit: "import",
		streams: true, serve: importForm, back: "queues/{queue}", done: flashImported},
}

// Where an import puts entries.
const (
	paramTarget = "to"
	targetDLQ   = "dlq"
	targetQueue = "queue"
)

const (
	// importStall is how long an import waits for more of its file. It takes the place of the server's ReadTimeout, which would
	// bound the upload as a whole.
	importStall = time.Minute
	// importAnswer is how long the answer to an import may take to be written.
	importAnswer = time.Minute
)

// action is what the Authorizer is asked for. What is imported into the main queue is retried.
func (c *call) action() Action {
	if c.route.streams && c.r.URL.Query().Get(paramTarget) == targetQueue {
		return ActionRetry
	}
	return c.route.action
}

// bodyLimit is how large the request's body may be.
func (c *call) bodyLimit() int64 {
	switch {
	case c.route == nil:
		return maxBody
	case c.route.streams:
		return c.cfg.MaxImportBytes
	}
	return cmp.Or(c.route.largest, maxBody)
}

func importEntries(c *call) (answer, error) {
	body := newUpload(c)
	return c.importFrom(body, body)
}

// importFrom imports a file, which is the body or comes within it.
func (c *call) importFrom(body *upload, file io.Reader) (answer, error) {
	// Where messages are published is the service's to say, not the file's.
	params := dlq.ImportParams{Queue: c.queue, Topic: c.topic(c.queue)}
	switch target := c.r.URL.Query().Get(paramTarget); target {
	case targetDLQ:
	case targetQueue:
		params.Redrive = true
	default:
		return nil, newMalformedProblem("Parameter 'to' must be " + targetDLQ + " or " + targetQueue)
	}
	if coding := c.r.Header.Get("Content-Encoding"); coding != "" && coding != "identity" {
		return nil, newCodingProblem()
	}
	done, err := c.dlq.Import(c.r.Context(), params, export.Read(file))
	c.row.Count = done.Imported // also of an import that broke off
	if late := body.end(); late != nil {
		c.cfg.Logger.WarnContext(c.r.Context(), "management: answer to an import may be late", "error", late)
	}
	if err != nil {
		return nil, &importError{done: done, reading: body.err, err: err}
	}
	c.row.Detail = fmt.Sprintf("to=%s, %d skipped", c.r.URL.Query().Get(paramTarget), done.Skipped)
	return jsonAnswer{http.StatusOK, done}, nil
}

// importError is an import that broke off.
type importError struct {
	done dlq.Imported
	// reading is what went wrong with the reading of the body; nil when nothing did.
	reading error
	err     error
}

// Error says what went wrong.
func (e *importError) Error() string { return e.err.Error() }

// Unwrap returns what went wrong.
func (e *importError) Unwrap() error { return e.err }

// problem is what the client is told: what went wrong, and what was done before.
func (e *importError) problem() *asyncevents.Problem {
	problem := *e.cause()
	problem.Message += fmt.Sprintf("; %d were imported before, %d skipped", e.done.Imported, e.done.Skipped)
	return &problem
}

func (e *importError) cause() *asyncevents.Problem {
	if e.reading != nil {
		return bodyProblem(e.reading)
	}
	if damage, ok := errors.AsType[*export.FileError](e.err); ok {
		return newBadRequestProblem(CodeBadImport, plainText("The file is no export: "+damage.Error()))
	}
	if bad, ok := errors.AsType[*dlq.BadEntryError](e.err); ok {
		return newBadRequestProblem(CodeBadImport, plainText("The file has an entry that is none of this queue: "+bad.Error()))
	}
	return problemOf(e.err)
}

// importedBefore is what an import did that broke off, nil for any other error.
func importedBefore(err error) *dlq.Imported {
	if broken, ok := errors.AsType[*importError](err); ok {
		return &broken.done
	}
	return nil
}

// upload is a body that is read for as long as something comes.
type upload struct {
	body       io.Reader
	controller *http.ResponseController
	// err is what went wrong; nil at the end of the body.
	err error
}

// newUpload returns the body of a call, and takes the server's limit from its answer: it may be due long before.
func newUpload(c *call) *upload {
	u := &upload{body: c.r.Body, controller: http.NewResponseController(c.w)}
	u.err = supported(u.controller.SetWriteDeadline(time.Time{}))
	return u
}

// Read reads what comes within importStall. No deadline is left behind: one that passed while nothing is read would end the
// request.
func (u *upload) Read(b []byte) (int, error) {
	if u.err != nil {
		return 0, u.err
	}
	if u.err = supported(u.controller.SetReadDeadline(time.Now().Add(importStall))); u.err != nil {
		return 0, u.err
	}
	n, err := u.body.Read(b)
	clearing := supported(u.controller.SetReadDeadline(time.Time{}))
	if !errors.Is(err, io.EOF) {
		u.err = errors.Join(err, clearing)
	}
	return n, err
}

// end gives the answer its time.
func (u *upload) end() error {
	return supported(u.controller.SetWriteDeadline(time.Now().Add(importAnswer)))
}

// supported is an error of a deadline, unless the server, or a middleware in between, knows none.
func supported(err error) error {
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
}
