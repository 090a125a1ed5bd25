package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// maxAnswer is how many bytes of an answer are read at most.
const maxAnswer = 256 << 20

// client talks to one management API.
type client struct {
	base    *url.URL
	user    string
	token   string
	timeout time.Duration
	http    *http.Client
}

func newClient(base *url.URL, token string, timeout time.Duration) *client {
	at := *base
	at.User = nil
	return &client{base: &at, user: base.User.Username(), token: token, timeout: timeout,
		http: &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// request is one call of the API.
type request struct {
	method string
	// path is the segments below "api".
	path   []string
	query  url.Values
	header http.Header
	// fields become the body, a JSON object; nil is none.
	fields map[string]any
	// file is the body instead, with its length.
	file   io.Reader
	length int64
	// long is whether the answer may take as long as it likes. The server gives up when the client does, so a call that
	// does much would be broken off in the middle.
	long bool
}

// changes is whether the call changes something at the server.
func (r *request) changes() bool { return r.method != http.MethodGet }

// call sends a request and returns the answer, which is valid JSON, or nothing where the server has nothing to say.
func (c *client) call(ctx context.Context, r *request) (json.RawMessage, error) {
	if !r.long {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, c.timeout, errTimeout)
		defer cancel()
	}
	response, err := c.open(ctx, r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, newNoAnswer(ctx, r, response.Request.URL, err)
	case response.StatusCode == http.StatusNoContent:
		return nil, nil
	case len(body) > maxAnswer:
		return nil, &failure{code: exitFailed, what: fmt.Sprintf("the answer is larger than %s", size(maxAnswer)),
			where: r.method + " " + response.Request.URL.String(), advice: "ask for less, with -limit or a filter"}
	case !json.Valid(body):
		return nil, newStrangeAnswer(response)
	}
	return body, nil
}

// open sends a request and returns the response if it is a good one. The caller closes its body.
func (c *client) open(ctx context.Context, r *request) (*http.Response, error) {
	hr, err := c.newRequest(ctx, r)
	if err != nil {
		return nil, err
	}
	response, err := c.http.Do(hr)
	if err != nil {
		return nil, newNoAnswer(ctx, r, hr.URL, err)
	}
	if response.StatusCode/100 == 2 {
		return response, nil
	}
	defer func() { _ = response.Body.Close() }()
	return nil, newRefusal(r, response)
}

func (c *client) newRequest(ctx context.Context, r *request) (*http.Request, error) {
	at, err := c.at(r)
	if err != nil {
		return nil, err
	}
	var body io.Reader
	if r.file != nil {
		body = io.NopCloser(r.file) // whoever opened it closes it
	}
	if r.fields != nil {
		text, err := json.Marshal(r.fields)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	}
	hr, err := http.NewRequestWithContext(ctx, r.method, at.String(), body)
	if err != nil {
		return nil, err
	}
	if r.file != nil {
		hr.ContentLength = r.length
	}
	c.setHeaders(hr, r)
	return hr, nil
}

func (c *client) setHeaders(hr *http.Request, r *request) {
	hr.Header.Set("User-Agent", "redrive")
	if hr.Body != nil {
		hr.Header.Set("Content-Type", "application/json")
	}
	for name, values := range r.header {
		hr.Header[name] = values
	}
	switch {
	case c.user != "":
		hr.SetBasicAuth(c.user, c.token)
	case c.token != "":
		hr.Header.Set("Authorization", "Bearer "+c.token)
	}
}

// at is the URL of a call. Segments that a path resolves would lead to another call.
func (c *client) at(r *request) (*url.URL, error) {
	segments := []string{"api"}
	for _, segment := range r.path {
		if segment == "" || segment == "." || segment == ".." {
			return nil, newUsage("", fmt.Sprintf("%q names nothing", segment))
		}
		segments = append(segments, url.PathEscape(segment))
	}
	at := c.base.JoinPath(segments...)
	at.RawQuery = r.query.Encode()
	return at, nil
}

// errTimeout ends a call that took too long.
var errTimeout = errors.New("no answer in time")

// newNoAnswer says that a request went without a whole answer.
func newNoAnswer(ctx context.Context, r *request, at *url.URL, err error) *failure {
	f := &failure{code: exitFailed, where: r.method + " " + at.String(), err: errors.Join(errNoAnswer, err)}
	if inner, ok := errors.AsType[*url.Error](err); ok {
		err = inner.Err // the rest of it stands in where
	}
	f.what, f.advice = "no answer: "+err.Error(), "check -url, and that the service runs and can be reached from here"
	if cause := context.Cause(ctx); errors.Is(cause, errTimeout) || errors.Is(cause, errStalled) {
		f.what, f.advice = cause.Error(), "-timeout 5m waits longer; is the service overloaded?"
	}
	if dial, ok := errors.AsType[*net.OpError](err); r.changes() && (!ok || dial.Op != "dial") {
		f.advice = "look before you repeat it: it may have been done all the same"
	}
	return f
}

// errNoAnswer is the network's failure, which may pass.
var errNoAnswer = errors.New("no answer")

// newStrangeAnswer says that something else than the management answered.
func newStrangeAnswer(response *http.Response) *failure {
	return &failure{code: exitFailed, what: fmt.Sprintf("the answer is not one of a Redrive management: %s, %q",
		response.Status, response.Header.Get("Content-Type")),
		where:  response.Request.Method + " " + response.Request.URL.String(),
		advice: "check -url: it has to lead to where the management is mounted, such as http://127.0.0.1:8080/manage"}
}

// decode reads an answer, or a part of it.
func decode[T any](raw json.RawMessage) (T, error) {
	var into T
	if err := json.Unmarshal(raw, &into); err != nil {
		return into, &failure{code: exitFailed, what: "the answer is not what the management API says: " + err.Error(),
			advice: "check -url, and whether this program is as new as the service"}
	}
	return into, nil
}
