package retry

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ThreeDotsLabs/watermill/message"
	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/redrive-go/redrive/internal/jsonappend"
)

// Metadata keys under which a delivery travels with a message. All keys that begin with MetadataPrefix are
// reserved: intake strips them from what a client sends.
const (
	MetadataPrefix = "redrive_"
	// MetadataAttempt is the number of this start of the handler since the last redrive, from 1.
	MetadataAttempt = MetadataPrefix + "attempt"
	// MetadataRedrives is how often the message was moved back from a DLQ.
	MetadataRedrives = MetadataPrefix + "redrives"
	// MetadataHistory is the History of the attempts that ended, as JSON.
	MetadataHistory = MetadataPrefix + "history"
	// MetadataAcceptedAt is when the message was first accepted, RFC 3339 with nanoseconds, UTC.
	MetadataAcceptedAt = MetadataPrefix + "accepted_at"
	// MetadataDamage is why the stored message could not be decoded. A message that carries it goes to the DLQ
	// without an attempt.
	MetadataDamage = MetadataPrefix + "damage"
	// MetadataRedrivenAt is when the message was moved back from a DLQ the last time, RFC 3339 with nanoseconds, UTC.
	MetadataRedrivenAt = MetadataPrefix + "at"
	// MetadataJob is the retry job that moved the message back, where one did: its outcome counts for that.
	MetadataJob = MetadataPrefix + "job"
	// MetadataSingleAttempt is "true" on a message that was moved back for one attempt, and no more.
	MetadataSingleAttempt = MetadataPrefix + "single_attempt"
	// MetadataPostponed is how many deliveries since the last redrive were no attempts, because it was not the time for one. They
	// are taken off MetadataAttempt.
	MetadataPostponed = MetadataPrefix + "postponed"
	// MetadataPostponedSince is since when the next attempt is postponed for a reason that has to end, RFC 3339 UTC.
	MetadataPostponedSince = MetadataPrefix + "postponed_since"
	// MetadataCorrelationID is the correlation id of the event that the message belongs to.
	MetadataCorrelationID = MetadataPrefix + "correlation_id"
)

// MaxErrorText is the length in bytes to which an attempt's or entry's error text is cut.
const MaxErrorText = 2048

// MaxHistory is how many attempts a History keeps: the first, and the latest others.
const MaxHistory = 100

// Attempt is the record of one handler start that ended.
type Attempt struct {
	// Number counts the attempts of a message from 1, through all redrives.
	Number int `json:"number"`
	// StartedAt is when the handler was started, UTC.
	StartedAt time.Time `json:"started_at"`
	// DurationMS is how long the handler ran, in milliseconds.
	DurationMS int64 `json:"duration_ms"`
	// Error is why the attempt failed, cut to MaxErrorText; empty for one that succeeded.
	Error string `json:"error,omitempty"`
	// ResponseStatus is the HTTP status of the answer to a callback; 0 where there was none.
	ResponseStatus int `json:"response_status,omitzero"`
	// ResponseBody is the beginning of the answer to a callback, at most 2 KiB.
	ResponseBody string `json:"response_body,omitempty"`
	// Redrive is how often the message had been moved back from a DLQ; 0 for the attempts before that.
	Redrive int `json:"redrive,omitzero"`
	// RedrivenAt is when that was the last time, UTC; zero where it was not, or nobody knows.
	RedrivenAt time.Time `json:"redriven_at,omitzero"`
	// Job is the retry job that did it; "" where none did.
	Job string `json:"job,omitempty"`
}

// EndedAt is when the attempt ended, to the millisecond.
func (a Attempt) EndedAt() time.Time {
	return a.StartedAt.Add(time.Duration(a.DurationMS) * time.Millisecond)
}

// History is the attempts of one message, oldest first.
type History []Attempt

// Append returns the history with one more attempt, its error text cut. Beyond MaxHistory the second oldest
// attempt goes: the first failure and the latest ones explain most.
func (h History) Append(a Attempt) History {
	a.Error = CutText(a.Error)
	h = append(h[:len(h):len(h)], a)
	if len(h) > MaxHistory {
		h = append(h[:1:1], h[len(h)-MaxHistory+1:]...)
	}
	return h
}

// Last returns the number of the latest attempt, 0 for an empty history.
func (h History) Last() int {
	if len(h) == 0 {
		return 0
	}
	return h[len(h)-1].Number
}

// String returns the history as JSON, the empty string for an empty one.
func (h History) String() string {
	if len(h) == 0 {
		return ""
	}
	b, err := h.AppendJSON(nil)
	if err != nil { // attempts were made in the years that time.Now returns
		panic(err)
	}
	return string(b)
}

// AppendJSON appends the history's JSON to dst, as encoding/json has it, "[]" for an empty one. It fails for a time of which the
// year has more than four digits.
func (h History) AppendJSON(dst []byte) (_ []byte, err error) {
	dst = append(dst, '[')
	for i := range h {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = h[i].appendJSON(dst); err != nil {
			return nil, fmt.Errorf("retry: attempt %d: %w", h[i].Number, err)
		}
	}
	return append(dst, ']'), nil
}

// appendJSON appends the attempt with the members that its tags say.
func (a *Attempt) appendJSON(dst []byte) (_ []byte, err error) {
	dst = jsonappend.Int(append(dst, '{'), "number", int64(a.Number))
	if dst, err = jsonappend.Time(dst, "started_at", a.StartedAt); err != nil {
		return nil, err
	}
	dst = jsonappend.Int(dst, "duration_ms", a.DurationMS)
	if a.Error != "" {
		dst = jsonappend.Text(dst, "error", a.Error)
	}
	if a.ResponseStatus != 0 {
		dst = jsonappend.Int(dst, "response_status", int64(a.ResponseStatus))
	}
	if a.ResponseBody != "" {
		dst = jsonappend.Text(dst, "response_body", a.ResponseBody)
	}
	if a.Redrive != 0 {
		dst = jsonappend.Int(dst, "redrive", int64(a.Redrive))
	}
	if !a.RedrivenAt.IsZero() {
		if dst, err = jsonappend.Time(dst, "redriven_at", a.RedrivenAt); err != nil {
			return nil, err
		}
	}
	if a.Job != "" {
		dst = jsonappend.Text(dst, "job", a.Job)
	}
	return append(dst, '}'), nil
}

// asUsual has jsonv2, which is quicker, take what encoding/json takes.
var asUsual = jsonv2.JoinOptions(jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))

// ParseHistory reads what History.String wrote.
func ParseHistory(s string) (History, error) {
	if s == "" {
		return nil, nil
	}
	var h History
	if err := jsonv2.Unmarshal([]byte(s), &h, asUsual); err != nil {
		return nil, fmt.Errorf("retry: attempt history: %w", err)
	}
	return h, nil
}

// Delivery is what a message knows of its own way: how often it was tried and moved back.
type Delivery struct {
	// Attempt is the number of this handler start since the last redrive, from 1, without those that were postponed. 0 means
	// that the transport does not count attempts.
	Attempt int
	// Postponed is how many deliveries since the last redrive were no attempts.
	Postponed int
	// PostponedSince is since when the next attempt is postponed for a reason that has to end; zero when it is not.
	PostponedSince time.Time
	// Redrives is how often the message was moved back from a DLQ.
	Redrives int
	// RedrivenAt is when that was the last time; zero where it was not, or nobody knows.
	RedrivenAt time.Time
	// History is the attempts that ended, through all redrives.
	History History
	// AcceptedAt is when the message was first accepted; zero where unknown.
	AcceptedAt time.Time
	// CorrelationID is the event that the message belongs to; the message's UUID where it names none.
	CorrelationID string
	// Job is the retry job that moved the message back; "" where none did.
	Job string
	// SingleAttempt is whether it was moved back for one attempt: one that fails is the last.
	SingleAttempt bool
}

// DeliveryOf reads a message's Delivery from its metadata. What cannot be read is left at its zero value: a message
// with damaged metadata is still processed.
func DeliveryOf(msg *message.Message) Delivery {
	d := Delivery{CorrelationID: msg.Metadata.Get(MetadataCorrelationID), Job: msg.Metadata.Get(MetadataJob)}
	if d.CorrelationID == "" {
		d.CorrelationID = msg.UUID
	}
	d.SingleAttempt = msg.Metadata.Get(MetadataSingleAttempt) == "true"
	d.Attempt, _ = strconv.Atoi(msg.Metadata.Get(MetadataAttempt))
	d.Postponed, _ = strconv.Atoi(msg.Metadata.Get(MetadataPostponed))
	d.Attempt = max(d.Attempt-d.Postponed, min(d.Attempt, 1)) // a transport may have begun to count anew
	d.PostponedSince, _ = time.Parse(time.RFC3339Nano, msg.Metadata.Get(MetadataPostponedSince))
	d.Redrives, _ = strconv.Atoi(msg.Metadata.Get(MetadataRedrives))
	d.RedrivenAt, _ = time.Parse(time.RFC3339Nano, msg.Metadata.Get(MetadataRedrivenAt))
	d.History, _ = ParseHistory(msg.Metadata.Get(MetadataHistory))
	d.AcceptedAt, _ = time.Parse(time.RFC3339Nano, msg.Metadata.Get(MetadataAcceptedAt))
	return d
}

// Ended is the history with the attempt that the delivery is, which was begun at startedAt and ends now; failure is why it failed,
// "" where it did not. The caller may add a callback's answer to the last one.
func (d *Delivery) Ended(startedAt time.Time, failure string) History {
	return d.History.Append(Attempt{
		Number:     d.History.Last() + 1,
		StartedAt:  startedAt.UTC(),
		DurationMS: time.Since(startedAt).Milliseconds(),
		Error:      failure,
		Redrive:    d.Redrives,
		RedrivenAt: d.RedrivenAt,
		Job:        d.Job,
	})
}

// CutText returns s as valid UTF-8 of at most MaxErrorText bytes, with an ellipsis where it was cut.
func CutText(s string) string {
	const ellipsis = "…"
	s = strings.ToValidUTF8(s, "\uFFFD") // first: it makes the text longer
	if len(s) <= MaxErrorText {
		return s
	}
	cut := MaxErrorText - len(ellipsis)
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + ellipsis
}
