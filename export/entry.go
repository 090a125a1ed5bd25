package export

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/retry"
)

// asWritten has payloads read as dlq.Entry writes them. It takes as JSON what encoding/json does.
var asWritten = json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))

// whiteSpace is what stands between tokens of JSON.
const whiteSpace = " \t\r\n"

var (
	errNotUTF8   = errors.New("not valid UTF-8")
	errNoPayload = errors.New("it has no payload")
	errTwoUnlike = errors.New("payload and payload_base64 differ")
	errTrailing  = errors.New("something follows the entry")
)

// fields is an entry's JSON without its payload.
type fields struct {
	ID            int64             `json:"id,string"`
	Queue         string            `json:"queue"`
	CreatedAt     time.Time         `json:"created_at"`
	CorrelationID string            `json:"correlation_id"`
	MessageID     string            `json:"message_id"`
	Topic         string            `json:"topic"`
	Metadata      map[string]string `json:"metadata"`
	Error         dlq.Failure       `json:"error"`
	Attempts      retry.History     `json:"attempts"`
	Redrives      int               `json:"redrives"`
	Job           string            `json:"job"`
	AcceptedAt    time.Time         `json:"accepted_at"`
	Exported      bool              `json:"exported"`
}

// parseEntry reads what dlq.Entry.AppendJSON or AppendLine wrote.
func parseEntry(raw []byte) (dlq.Entry, error) {
	if !utf8.Valid(raw) { // a payload that is not would be in base64
		return dlq.Entry{}, errNotUTF8
	}
	rest, payload, err := cutPayload(raw)
	if err != nil {
		return dlq.Entry{}, err
	}
	var f fields
	if err := json.Unmarshal(rest, &f, json.RejectUnknownMembers(true)); err != nil {
		return dlq.Entry{}, err
	}
	return dlq.Entry{
		ID: f.ID, Queue: f.Queue, Topic: f.Topic, MessageID: f.MessageID, CorrelationID: f.CorrelationID,
		CreatedAt: f.CreatedAt, AcceptedAt: f.AcceptedAt, Payload: payload, Metadata: f.Metadata, Failure: f.Error,
		Attempts: f.Attempts, Redrives: f.Redrives, Job: f.Job, Exported: f.Exported,
	}, nil
}

// members are the parts of an entry that cutPayload tells apart.
type members struct {
	rest            []byte
	payload, base64 []byte // as they stand in the entry, nil where they do not
}

// cutPayload takes the payload out of an entry, byte for byte, and returns the object that is left.
func cutPayload(raw []byte) (rest, payload []byte, err error) {
	dec := jsontext.NewDecoder(bytes.NewReader(raw), asWritten)
	if err := expect(dec, '{', errNotAnObject); err != nil {
		return nil, nil, err
	}
	m := members{rest: append(make([]byte, 0, min(len(raw), readBuffer)), '{')}
	for dec.PeekKind() != '}' {
		if err := m.read(dec, raw); err != nil {
			return nil, nil, err
		}
	}
	if _, err := dec.ReadToken(); err != nil {
		return nil, nil, err
	}
	if dec.InputOffset() < int64(len(raw)) {
		return nil, nil, errTrailing
	}
	payload, err = m.decode()
	return append(bytes.TrimSuffix(m.rest, []byte{','}), '}'), payload, err
}

// read reads one member.
func (m *members) read(dec *jsontext.Decoder, raw []byte) error {
	name, err := dec.ReadToken()
	if err != nil {
		return err
	}
	text, begin := name.String(), dec.InputOffset()
	value, err := dec.ReadValue()
	if err != nil {
		return err
	}
	switch text {
	case "payload":
		return once(&m.payload, text, between(raw, begin, dec.InputOffset()))
	case "payload_base64":
		return once(&m.base64, text, bytes.Clone(value))
	}
	if m.rest, err = jsontext.AppendQuote(m.rest, text); err == nil {
		m.rest = append(append(append(m.rest, ':'), value...), ',')
	}
	return err
}

// once sets a member that may stand once.
func once(member *[]byte, name string, value []byte) error {
	if *member != nil {
		return fmt.Errorf("%q %w", name, errTwice)
	}
	*member = value
	return nil
}

// between is what stands between a name, which ends at begin, and the comma or brace after its value, which ends at end: the white
// space around a payload is part of it.
func between(raw []byte, begin, end int64) []byte {
	value := raw[begin:]
	value = value[bytes.IndexByte(value, ':')+1:]
	after := raw[end:]
	after = after[:len(after)-len(bytes.TrimLeft(after, whiteSpace))]
	return value[:int64(len(value))-(int64(len(raw))-end)+int64(len(after))]
}

// decode returns the payload. Where it stands there twice, it spans lines, and one of them shows it on one.
func (m *members) decode() ([]byte, error) {
	if m.base64 == nil {
		if m.payload == nil {
			return nil, errNoPayload
		}
		return bytes.Clone(m.payload), nil
	}
	var text string
	if err := json.Unmarshal(m.base64, &text); err != nil {
		return nil, fmt.Errorf("payload_base64: %w", err)
	}
	payload, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("payload_base64: %w", err)
	}
	if m.payload != nil && !sameButForLines(m.payload, payload) {
		return nil, errTwoUnlike
	}
	return payload, nil
}

// sameButForLines is whether shown is a payload with spaces for its line breaks.
func sameButForLines(shown, payload []byte) bool {
	if len(shown) != len(payload) {
		return false
	}
	for i, c := range payload {
		if shown[i] != c && (shown[i] != ' ' || c != '\n' && c != '\r') {
			return false
		}
	}
	return true
}
