package dlq

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/redrive-go/redrive/internal/jsonappend"
	"github.com/redrive-go/redrive/retry"
)

// Sentinel errors of this package. They come wrapped with the operation and the id.
var (
	// ErrNotFound is returned when the named entry is not (or no longer) in the DLQ, and by RetryOldest when the
	// DLQ is empty.
	ErrNotFound = errors.New("dead letter not found")
	// ErrBadCursor is returned by List for a cursor that it did not hand out.
	ErrBadCursor = errors.New("malformed cursor")
	// ErrBadFilter is returned for a Filter outside of its limits. It comes with every fault.
	ErrBadFilter = errors.New("malformed filter")
	// ErrNotHeld is returned by Add when the message was claimed by somebody else meanwhile: the caller's outcome no
	// longer counts.
	ErrNotHeld = errors.New("message is no longer held")
)

// Entry is a dead letter: a message whose attempts are used up, with all that is known of it.
type Entry struct {
	// ID names the entry in its DLQ. Ids grow in the order in which entries came in. A message that fails again
	// after a redrive gets a new entry with a new id.
	ID int64
	// Queue is the name of the DLQ, such as "events" or "callbacks".
	Queue string
	// Topic is where the message came from, and where a redrive publishes it.
	Topic string
	// MessageID is the message's UUID. A DLQ holds at most one entry for it.
	MessageID string
	// CorrelationID is the event that the message belongs to; the MessageID where it names none.
	CorrelationID string
	// CreatedAt is when the message entered the DLQ.
	CreatedAt time.Time
	// AcceptedAt is when the message was first accepted; zero where unknown.
	AcceptedAt time.Time
	// Payload is the message's payload, byte for byte.
	Payload []byte
	// Metadata is the message's metadata without the keys that describe its delivery.
	Metadata map[string]string
	// Failure is why the latest attempt failed.
	Failure Failure
	// Attempts is every attempt that ended, through all redrives, oldest first.
	Attempts retry.History
	// Redrives is how often the message was moved back before.
	Redrives int
	// Job is the retry job that moved the message back before it came in; "" where none did.
	Job string
	// Exported is whether a completed export contains the entry. Stores fill it in; it is ignored by Add.
	Exported bool
	// PayloadHidden is whether the Payload was left out for whoever is going to see the entry. Its JSON then says so in
	// the payload's place. Stores leave it false.
	PayloadHidden bool
}

// Failure is why a message is a dead letter.
type Failure struct {
	// Type is the Go type of the innermost error, such as "*net.OpError"; "error" where that is a mere text; or "panic",
	// "timeout", "lost" (the process ended inside the handler, or its lease ran out), "undecodable".
	Type string `json:"type"`
	// Message is the error's text, cut to retry.MaxErrorText.
	Message string `json:"message"`
	// Stack is the stack trace of a panic. It is kept apart: no list or export shows it.
	Stack string `json:"-"`
}

// MarshalJSON writes the entry as the management API and the exports show it: a payload that is JSON as it is,
// any other as "payload_base64", and "payload_hidden":true for one that was left out.
func (e Entry) MarshalJSON() ([]byte, error) { return e.AppendJSON(nil) }

// AppendJSON appends the entry's JSON to dst. Other than through encoding/json, which compacts what MarshalJSON
// returned, the payload stands in it byte for byte. Stack traces are not in it, nor metadata that says how to get in
// somewhere, by its key: passwords, tokens, signatures and such.
func (e Entry) AppendJSON(dst []byte) ([]byte, error) { return e.appendWith(dst, appendPayload) }

// AppendLine is AppendJSON on one line, without a line break at its end. A payload that spans lines stands in it with
// spaces for its line breaks, and once more, byte for byte, as "payload_base64".
func (e Entry) AppendLine(dst []byte) ([]byte, error) { return e.appendWith(dst, appendFlatPayload) }

// appendWith appends the entry's JSON, its payload as appendPayload has it.
func (e *Entry) appendWith(dst []byte, appendPayload func(dst, payload []byte) []byte) (_ []byte, err error) {
	if dst, err = e.appendHead(dst); err != nil {
		return nil, fmt.Errorf("dlq: encode entry %d: %w", e.ID, err)
	}
	if e.PayloadHidden {
		dst = jsonappend.Bool(dst, "payload_hidden", true)
	} else {
		dst = appendPayload(dst, e.Payload)
	}
	if dst, err = e.appendTail(dst); err != nil {
		return nil, fmt.Errorf("dlq: encode entry %d: %w", e.ID, err)
	}
	return dst, nil
}

// appendHead appends what stands before the payload.
func (e *Entry) appendHead(dst []byte) (_ []byte, err error) {
	dst = jsonappend.Text(append(dst, '{'), "id", strconv.FormatInt(e.ID, 10))
	dst = jsonappend.Text(dst, "queue", e.Queue)
	if dst, err = jsonappend.Time(dst, "created_at", e.CreatedAt.UTC()); err != nil {
		return nil, err
	}
	dst = jsonappend.Text(dst, "correlation_id", e.CorrelationID)
	dst = jsonappend.Text(dst, "message_id", e.MessageID)
	dst = jsonappend.Text(dst, "topic", e.Topic)
	return appendMetadata(dst, e.Metadata), nil
}

// appendTail appends what stands after the payload.
func (e *Entry) appendTail(dst []byte) (_ []byte, err error) {
	dst = jsonappend.Text(append(jsonappend.Name(dst, "error"), '{'), "type", e.Failure.Type)
	dst = append(jsonappend.Text(dst, "message", e.Failure.Message), '}')
	if dst, err = e.Attempts.AppendJSON(jsonappend.Name(dst, "attempts")); err != nil {
		return nil, err
	}
	dst = jsonappend.Int(dst, "redrives", int64(e.Redrives))
	if e.Job != "" {
		dst = jsonappend.Text(dst, "job", e.Job)
	}
	if !e.AcceptedAt.IsZero() {
		if dst, err = jsonappend.Time(dst, "accepted_at", e.AcceptedAt.UTC()); err != nil {
			return nil, err
		}
	}
	return append(jsonappend.Bool(dst, "exported", e.Exported), '}'), nil
}

// appendMetadata appends what may be shown of the metadata, in the order of its keys, unless that is nothing.
func appendMetadata(dst []byte, metadata map[string]string) []byte {
	shown := shownMetadata(metadata)
	if len(shown) == 0 {
		return dst
	}
	dst = append(jsonappend.Name(dst, "metadata"), '{')
	for i, key := range slices.Sorted(maps.Keys(shown)) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(jsonappend.String(dst, key), ':')
		dst = jsonappend.String(dst, shown[key])
	}
	return append(dst, '}')
}
