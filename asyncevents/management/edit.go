package management

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	udiff "github.com/aymanbagabas/go-udiff"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/dlq"
)

// The fields of an edit.
const (
	fieldPayload = "payload"
	fieldBase64  = "payload_base64"
)

// maxEdit is the largest body of an edit, in bytes: sixteen times what an event has by default.
const maxEdit = 4 << 20

// auditEdit is what the audit log calls an edit.
const auditEdit = "edit"

var editRoutes = routes{
	{method: http.MethodPost, pattern: "api/queues/{queue}/entries/{id}/edit", action: ActionEdit, also: ActionRetry, audit: auditEdit,
		fields: []string{fieldPayload, fieldBase64, fieldDryRun}, largest: maxEdit, serve: editEntry},
	{method: http.MethodGet, pattern: "queues/{queue}/entries/{id}/edit", action: ActionEdit, also: ActionRetry, serve: editPage},
	{method: http.MethodPost, pattern: "queues/{queue}/entries/{id}/edit", action: ActionEdit, also: ActionRetry, audit: auditEdit,
		largest: maxEdit, serve: editOnPage, back: "queues/{queue}", done: flashRetried},
	{method: http.MethodGet, pattern: "api/queues/{queue}/entries/{id}/original", action: ActionView, serve: getOriginal},
}

// changeJSON is what an edit would have changed.
type changeJSON struct {
	DryRun     bool   `json:"dry_run"`
	Difference string `json:"difference"`
}

// editEntry moves one entry back with another payload.
func editEntry(c *call) (answer, error) {
	dry, err := c.isDryRun()
	if err != nil {
		return nil, err
	}
	payload, err := c.newPayload()
	if err != nil {
		return nil, err
	}
	entry, change, err := c.change(payload)
	if err != nil {
		return nil, err
	}
	if dry {
		c.noteDryRun(1)
		return jsonAnswer{http.StatusOK, changeJSON{true, change}}, nil
	}
	moved, err := c.retryEdited(&entry, payload)
	if err != nil {
		return nil, err
	}
	return jsonAnswer{http.StatusOK, heldJSON{c.shown(moved)[0], change}}, nil
}

// change returns the entry that the path names, and what another payload changes in it.
func (c *call) change(payload []byte) (entry dlq.Entry, change string, err error) {
	if err := c.mayEdit(); err != nil {
		return entry, "", err
	}
	if entry, err = c.storedEntry(); err != nil {
		return entry, "", err
	}
	if err := asyncevents.CheckPayload(c.queue, payload, entry.Metadata); err != nil {
		return entry, "", err
	}
	if change = difference(entry.Payload, payload); change == "" {
		err = newMalformedProblem("The payload differs in nothing but white space; an entry can be retried as it is")
	}
	return entry, change, err
}

// mayEdit refuses whoever does not see what there is to change.
func (c *call) mayEdit() error {
	if !c.seesPayloads() {
		return newHiddenProblem("changed")
	}
	return nil
}

func (c *call) retryEdited(entry *dlq.Entry, payload []byte) (dlq.Entry, error) {
	c.row.Detail = fmt.Sprintf("payload changed from %s to %s", digest(entry.Payload), digest(payload))
	moved, err := c.dlq.RetryEdited(c.r.Context(), c.queue, entry.ID, payload)
	if err == nil {
		c.row.Count = 1
	}
	return moved, err
}

// newPayload is the payload that the body holds: JSON as it stands there, or anything else in base64.
func (c *call) newPayload() (payload []byte, err error) {
	asJSON, isJSON := c.fields[fieldPayload]
	asBase64, isBase64 := c.fields[fieldBase64]
	switch {
	case isJSON == isBase64:
		return nil, newMalformedProblem("The body must have either 'payload' or 'payload_base64'")
	case isJSON:
		payload = asJSON
	case json.Unmarshal(asBase64, &payload) != nil:
		return nil, newMalformedProblem("Field 'payload_base64' must be text in base64")
	}
	return payload, nil
}

// The buttons of the page: the second one is there once the difference was seen.
const (
	inputStep  = "step"
	stepRetry  = "retry"
	textBreaks = "\r\n" // of a form's text, by https://html.spec.whatwg.org/#constructing-the-form-data-set
)

// editView is the page on which a payload is changed.
type editView struct {
	Entry dlq.Entry
	// Text is the payload as it is now.
	Text string
	// Difference is what it changes; "" before it was changed.
	Difference string
}

// editPage offers the payload to be changed. What is no text cannot be, in a browser.
func editPage(c *call) (answer, error) {
	if err := c.mayEdit(); err != nil {
		return nil, err
	}
	entry, err := c.storedEntry()
	if err != nil {
		return nil, err
	}
	payload := newPayloadView(entry.Payload)
	if payload.Binary {
		return nil, newMalformedProblem("The payload is no text; change it with the command line or the API")
	}
	return c.showEdit(editView{Entry: entry, Text: payload.Text}), nil
}

func (c *call) showEdit(view editView) answer {
	return c.page(http.StatusOK, "edit", "Edit entry "+strconv.FormatInt(view.Entry.ID, 10), view)
}

// editOnPage shows what the payload in a form changes, or moves the entry back with it.
func editOnPage(c *call) (answer, error) {
	step, err := c.input(inputStep)
	if err != nil {
		return nil, err
	}
	text, err := c.input(fieldPayload)
	if err != nil {
		return nil, err
	}
	text = strings.ReplaceAll(text, textBreaks, "\n")
	entry, change, err := c.change([]byte(text))
	if err != nil {
		return nil, err
	}
	if step != stepRetry {
		c.noteDryRun(1)
		return c.showEdit(editView{entry, text, change}), nil
	}
	_, err = c.retryEdited(&entry, []byte(text))
	return nil, err
}

// getOriginal returns an entry as it was before it was first edited, and how the present one differs from that.
func getOriginal(c *call) (answer, error) {
	entry, err := c.storedEntry()
	if err != nil {
		return nil, err
	}
	original, err := c.compared(&entry)
	return jsonAnswer{http.StatusOK, original}, err
}

func (c *call) compared(entry *dlq.Entry) (original heldJSON, err error) {
	was, err := c.dlq.Original(c.r.Context(), entry)
	if err != nil {
		return original, err
	}
	original.Entry = c.shown(was)[0]
	if c.seesPayloads() {
		original.Difference = difference(was.Payload, entry.Payload)
	}
	return original, nil
}

// difference says line by line how a payload became another one, in the unified format of diff; "" where nothing but the white space
// between JSON's parts differs.
func difference(before, after []byte) string {
	return udiff.Unified("before", "after", newPayloadView(before).Text+"\n", newPayloadView(after).Text+"\n")
}

// digest names a payload in the audit log, which holds none.
func digest(payload []byte) string {
	return fmt.Sprintf("sha256:%x (%d bytes)", sha256.Sum256(payload), len(payload))
}
