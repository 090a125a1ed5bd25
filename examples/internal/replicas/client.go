package replicas

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/redrive-go/redrive/asyncevents"
)

// errAnswer is returned for an answer that is not expected.
var errAnswer = errors.New("unexpected answer")

// status is what the status answer says of an event.
type status struct {
	Payload struct {
		Status   asyncevents.Status `json:"status"`
		Attempts int                `json:"attempts"`
		Response struct {
			Success outcome `json:"success"`
		} `json:"response"`
	} `json:"payload"`
}

// client speaks with the intakes of replicas.
type client struct{ http *http.Client }

func newClient() *client {
	return &client{&http.Client{Transport: &http.Transport{}, Timeout: 10 * time.Second}}
}

func (c *client) close() { c.http.CloseIdleConnections() }

// send sends an event to the replica at a URL, and returns the path at which it can be asked for. A replica that cannot take it
// now says when to come again: the event has no id yet, and was not accepted.
func (c *client) send(ctx context.Context, base string) (path string, err error) {
	for {
		path, again, err := c.sendOnce(ctx, base)
		if err != nil || again == 0 {
			return path, err
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("send an event to %s, which is busy: %w", base, ctx.Err())
		case <-time.After(again):
		}
	}
}

func (c *client) sendOnce(ctx context.Context, base string) (path string, again time.Duration, err error) {
	body := strings.NewReader(`{"action":"work"}`)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/v1/async/events", body)
	if err != nil {
		return "", 0, err
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := c.http.Do(request)
	if err != nil {
		return "", 0, err
	}
	defer func() { err = errors.Join(err, answer.Body.Close()) }()
	if answer.StatusCode == http.StatusServiceUnavailable {
		seconds, err := strconv.Atoi(answer.Header.Get("Retry-After"))
		return "", time.Duration(seconds) * time.Second, err
	}
	if answer.StatusCode != http.StatusAccepted {
		return "", 0, fmt.Errorf("send an event to %s: %w: %s", base, errAnswer, answer.Status)
	}
	_, err = io.Copy(io.Discard, answer.Body)
	return answer.Header.Get("Location"), 0, err
}

// await asks for the event at a URL until it is processed.
func (c *client) await(ctx context.Context, url string) (event status, err error) {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		event, err = c.ask(ctx, url)
		if err != nil || event.Payload.Status == asyncevents.StatusProcessed {
			return event, err
		}
		select {
		case <-ctx.Done():
			return event, fmt.Errorf("wait for %s, which is %s: %w", url, event.Payload.Status, ctx.Err())
		case <-ticker.C:
		}
	}
}

func (c *client) ask(ctx context.Context, url string) (event status, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return event, err
	}
	answer, err := c.http.Do(request)
	if err != nil {
		return event, err
	}
	defer func() { err = errors.Join(err, answer.Body.Close()) }()
	if answer.StatusCode != http.StatusOK {
		return event, fmt.Errorf("ask for %s: %w: %s", url, errAnswer, answer.Status)
	}
	return event, json.NewDecoder(answer.Body).Decode(&event)
}
