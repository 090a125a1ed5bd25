package dlq

import (
	"errors"
	"fmt"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

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

// asUsual has jsonv2, which is quicker, write text as encoding/json does, and metadata in the order of its keys.
var asUsual = jsonv2.JoinOptions(jsontext.AllowInvalidUTF8(true), jsontext.EscapeForHTML(true), jsontext.EscapeForJS(true),
	jsonv2.Deterministic(true))

// AppendJSON appends the entry's JSON to dst. Other than through encoding/json, which compacts what MarshalJSON
// returned, the payload stands in it byte for byte. Stack traces are not in it, nor metadata that says how to get in
// somewhere, by its key: passwords, tokens, signatures and such.
func (e Entry) AppendJSON(dst []byte) ([]byte, error) { return e.appendWith(dst, appendPayload) }

// AppendLine is AppendJSON on one line, without a line break at its end. A payload that spans lines stands in it with
// spaces for its line breaks, and once more, byte for byte, as "payload_base64".
func (e Entry) AppendLine(dst []byte) ([]byte, error) { return e.appendWith(dst, appendFlatPayload) }

// appendWith appends the entry's JSON, its payload as appendPayload has it.
func (e Entry) appendWith(dst []byte, appendPayload func(dst, payload []byte) []byte) ([]byte, error) {
	head, err := jsonv2.Marshal(struct {
		ID            int64             `json:"id,string"`
		Queue         string            `json:"queue"`
		CreatedAt     time.Time         `json:"created_at"`
		CorrelationID string            `json:"correlation_id"`
		MessageID     string            `json:"message_id"`
		Topic         string            `json:"topic"`
		Metadata      map[string]string `json:"metadata,omitempty"`
	}{e.ID, e.Queue, e.CreatedAt.UTC(), e.CorrelationID, e.MessageID, e.Topic, shownMetadata(e.Metadata)}, asUsual)
	if err != nil {
		return nil, fmt.Errorf("dlq: encode entry %d: %w", e.ID, err)
	}
	tail, err := jsonv2.Marshal(struct {
		Error      Failure       `json:"error"`
		Attempts   retry.History `json:"attempts"`
		Redrives   int           `json:"redrives"`
		Job        string        `json:"job,omitempty"`
		AcceptedAt time.Time     `json:"accepted_at,omitzero"`
		Exported   bool          `json:"exported"`
	}{e.Failure, e.Attempts, e.Redrives, e.Job, e.AcceptedAt.UTC(), e.Exported}, asUsual)
	if err != nil {
		return nil, fmt.Errorf("dlq: encode entry %d: %w", e.ID, err)
	}
	dst = append(dst, head[:len(head)-1]...)
	if e.PayloadHidden {
		dst = append(dst, `,"payload_hidden":true`...)
	} else {
		dst = appendPayload(dst, e.Payload)
	}
	return append(append(dst, ','), tail[1:]...), nil
}
