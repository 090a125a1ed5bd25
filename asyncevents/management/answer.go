package management

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/dlq"
)

// answer is what a request gets, ready to be written.
type answer interface {
	write(c *call)
}

// emptyAnswer is a 204.
type emptyAnswer struct{}

func (emptyAnswer) write(c *call) { c.w.WriteHeader(http.StatusNoContent) }

// redirectAnswer leads a browser to a URL relative to the request's with the given status.
type redirectAnswer struct {
	status   int
	location string
}

// write sets the header by hand: http.Redirect would make the URL absolute, without a prefix that was stripped.
func (a redirectAnswer) write(c *call) {
	c.w.Header().Set("Location", a.location)
	c.w.WriteHeader(a.status)
}

// jsonAnswer is a body as JSON.
type jsonAnswer struct {
	status int
	body   any
}

// appender is a body that writes its JSON itself, so that payloads stand in it byte for byte.
type appender interface {
	appendJSON(dst []byte) ([]byte, error)
}

func (a jsonAnswer) write(c *call) {
	encoded, err := a.encode()
	if err != nil {
		c.cfg.Logger.ErrorContext(c.r.Context(), "management: answer could not be encoded", "error", err)
		http.Error(c.w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	c.writeBytes(a.status, "application/json", encoded)
}

func (a jsonAnswer) encode() ([]byte, error) {
	if body, ok := a.body.(appender); ok {
		encoded, err := body.appendJSON(nil)
		return append(encoded, '\n'), err
	}
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(a.body)
	return buffer.Bytes(), err
}

// writeBytes writes a whole body. An error means that the client is gone.
func (c *call) writeBytes(status int, contentType string, body []byte) {
	c.w.Header().Set("Content-Type", contentType)
	c.w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	c.w.WriteHeader(status)
	_, _ = c.w.Write(body) //nolint:gosec // built by html/template or encoding/json
}

// errorBody is the JSON of every error. Count is the present count of what was to be erased and UpTo the id up to which it was counted,
// Imported what an import did before it broke off.
type errorBody struct {
	Status string               `json:"status"`
	Error  *asyncevents.Problem `json:"error"`
	Count  *int64               `json:"count,omitempty"`
	UpTo   int64                `json:"up_to,omitzero,string"`
	*dlq.Imported
}
