package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/redrive-go/redrive/asyncevents"
)

//go:embed samples.ndjson
var samplesNDJSON []byte

// samplesPatience is how long the samples are watched before the report is made: long enough for a first retry.
const samplesPatience = 2500 * time.Millisecond

// samplesInterval is how often they are looked at meanwhile.
const samplesInterval = 50 * time.Millisecond

// sample is a sample event and what became of it.
type sample struct {
	// ID is its correlation id.
	ID string
	// Note says what it shows.
	Note string
	// Body is what is sent.
	Body []byte
	// Seen is the latest status answer.
	Seen sampleStatus
}

// sampleStatus is what of a status answer the report shows.
type sampleStatus struct {
	Status        asyncevents.Status `json:"status"`
	Attempts      int                `json:"attempts"`
	NextAttemptAt time.Time          `json:"next_attempt_at"`
	Callback      struct {
		Status asyncevents.CallbackStatus `json:"status"`
	} `json:"callback"`
}

// settled is whether nothing more happens to the event by itself.
func (s sampleStatus) settled() bool {
	switch s.Status {
	case asyncevents.StatusProcessed, asyncevents.StatusError, asyncevents.StatusFailed, asyncevents.StatusExported:
		return s.Callback.Status != asyncevents.CallbackPending
	default:
		return false
	}
}

// newSamples returns the sample events. Their ids begin with prefix, so that every start sends new ones.
func newSamples(prefix string) ([]sample, error) {
	var samples []sample
	for line := range bytes.Lines(samplesNDJSON) {
		var fields map[string]any
		if err := json.Unmarshal(line, &fields); err != nil {
			return nil, fmt.Errorf("sample %d: %w", len(samples)+1, err)
		}
		note, _ := fields["note"].(string)
		id := fmt.Sprintf("%s-%d", prefix, len(samples)+1)
		fields["correlation_id"] = id
		body, err := json.Marshal(fields)
		if err != nil {
			return nil, fmt.Errorf("sample %d: %w", len(samples)+1, err)
		}
		samples = append(samples, sample{ID: id, Note: note, Body: body})
	}
	return samples, nil
}

// client talks to the intake over HTTP, as any other would.
type client struct {
	http  *http.Client
	base  string
	token string
}

// errUnexpected is an answer that no sample should get.
var errUnexpected = errors.New("unexpected answer")

// demonstrate sends the samples and watches them for a while. It returns how they stand.
func (c *client) demonstrate(ctx context.Context, samples []sample) ([]sample, error) {
	for _, s := range samples {
		if err := c.do(ctx, http.MethodPost, "", s.Body, nil); err != nil {
			return nil, fmt.Errorf("send sample %s: %w", s.ID, err)
		}
	}
	ticker := time.NewTicker(samplesInterval)
	defer ticker.Stop()
	for end := time.Now().Add(samplesPatience); ; {
		settled, err := c.look(ctx, samples)
		if err != nil || settled || time.Now().After(end) {
			return samples, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-ticker.C:
		}
	}
}

// look asks how the samples stand that were not settled before, and says whether all are.
func (c *client) look(ctx context.Context, samples []sample) (settled bool, err error) {
	settled = true
	for i := range samples {
		if samples[i].Seen.settled() {
			continue
		}
		var answer struct {
			Payload sampleStatus `json:"payload"`
		}
		if err := c.do(ctx, http.MethodGet, "/"+samples[i].ID, nil, &answer); err != nil {
			return false, fmt.Errorf("ask for sample %s: %w", samples[i].ID, err)
		}
		samples[i].Seen = answer.Payload
		settled = settled && answer.Payload.settled()
	}
	return settled, nil
}

// do makes a request below the intake and decodes the answer into what into points to.
func (c *client) do(ctx context.Context, method, path string, body []byte, into any) error {
	request, err := http.NewRequestWithContext(ctx, method, c.base+eventsPath+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	answer, err := c.http.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK && answer.StatusCode != http.StatusAccepted {
		text, _ := io.ReadAll(io.LimitReader(answer.Body, 1<<10))
		return fmt.Errorf("%w: %s: %s", errUnexpected, answer.Status, text)
	}
	if into == nil {
		_, err = io.Copy(io.Discard, answer.Body) // so that the connection serves again
		return err
	}
	return json.NewDecoder(answer.Body).Decode(into)
}
