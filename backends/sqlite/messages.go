package sqlite

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/redrive-go/redrive/backends/internal/queue"
	"github.com/redrive-go/redrive/retry"
)

// rowsPerInsert is how many rows one INSERT statement carries. More make little difference, and each row count is a
// statement of its own to prepare.
const rowsPerInsert = 16

const (
	insertMessages = `INSERT INTO messages (id, uuid, metadata, history, redrives, payload) VALUES (?, ?, ?, ?, ?, ?)`
	insertWaiting  = `INSERT INTO deliveries (id, topic, attempt, claim, due, claimed_at) VALUES (?, ?, 0, 0, ?, 0)`
)

// outgoing is a message on its way into its topic, encoded by whoever hands it in: the transaction is the one thing
// that only one can do at a time.
type outgoing struct {
	topic    string
	uuid     string
	metadata string
	history  string
	redrives int
	payload  []byte
	wait     time.Duration
}

func newOutgoing(topic string, msg *message.Message) (o outgoing, err error) {
	o = outgoing{topic: topic, uuid: msg.UUID, payload: payloadOf(msg)}
	var own message.Metadata
	own, o.history = queue.SplitMetadata(msg.Metadata)
	if text := msg.Metadata.Get(retry.MetadataRedrives); text != "" {
		o.redrives, _ = strconv.Atoi(text) // what is no number counts as none
	}
	o.wait, _ = queue.DelayOf(msg.Metadata)
	if o.metadata, err = encodeMetadata(own); err != nil {
		return o, fmt.Errorf("message %s: %w", msg.UUID, err)
	}
	return o, nil
}

// publish appends messages to their topics.
func (t *tx) publish(messages []outgoing) error {
	for len(messages) > 0 {
		n := 1
		for n < len(messages) && messages[n].topic == messages[0].topic {
			n++
		}
		if err := t.publishTo(messages[0].topic, messages[:n]); err != nil {
			return err
		}
		messages = messages[n:]
	}
	return nil
}

func (t *tx) publishTo(name string, messages []outgoing) error {
	topic, err := t.topic(name)
	if err != nil {
		return err
	}
	next := topic.base() + topic.last
	args := make([]any, 0, 6*len(messages))
	for i, m := range messages {
		args = append(args, next+int64(i)+1, m.uuid, m.metadata, m.history, m.redrives, m.payload)
	}
	if _, err := t.insertMany(insertMessages, 6, args); err != nil {
		return err
	}
	for i, m := range messages {
		if m.wait > 0 {
			due := time.Now().Add(m.wait).UnixMicro()
			if _, err := t.exec(insertWaiting, next+int64(i)+1, topic.id, due); err != nil {
				return err
			}
		}
	}
	_, err = t.exec(updateTopic, len(messages), len(messages), topic.id)
	return err
}

// payloadOf returns the payload as a blob: the driver stores a nil slice as NULL.
func payloadOf(msg *message.Message) []byte {
	if msg.Payload == nil {
		return []byte{}
	}
	return msg.Payload
}

// insertMany runs an INSERT that is written for one row of width columns for all rows in args, and returns how many
// it inserted.
func (t *tx) insertMany(query string, width int, args []any) (inserted int64, err error) {
	for len(args) > 0 {
		rows := 1
		if len(args) >= rowsPerInsert*width {
			rows = rowsPerInsert
		}
		n, err := t.exec(forRows(query, rows), args[:rows*width]...)
		if err != nil {
			return inserted, err
		}
		inserted += n
		args = args[rows*width:]
	}
	return inserted, nil
}

// forRows repeats the values of an INSERT that is written for one row.
func forRows(query string, rows int) string {
	if rows == 1 {
		return query
	}
	if wide, ok := wideInserts[query]; ok {
		return wide
	}
	return widen(query, rows)
}

// wideInserts holds the statements of the hot paths for rowsPerInsert rows, ready made.
var wideInserts = map[string]string{
	insertMessages: widen(insertMessages, rowsPerInsert),
	insertEvents:   widen(insertEvents, rowsPerInsert),
}

func widen(query string, rows int) string {
	head, rest, _ := strings.Cut(query, " VALUES ")
	end := strings.Index(rest, ")") + 1
	return head + " VALUES " + strings.Repeat(rest[:end]+", ", rows-1) + rest
}

// encodeMetadata returns metadata as a JSON object. Most of it is plain text, for which this is much quicker than
// encoding/json; what is not goes there.
func encodeMetadata(metadata message.Metadata) (string, error) {
	text := append(make([]byte, 0, 128), '{')
	for key, value := range metadata {
		if !isPlain(key) || !isPlain(value) {
			return encodeAnyMetadata(metadata)
		}
		if len(text) > 1 {
			text = append(text, ',')
		}
		text = append(append(append(text, '"'), key...), `":"`...)
		text = append(append(text, value...), '"')
	}
	return string(append(text, '}')), nil
}

func encodeAnyMetadata(metadata message.Metadata) (string, error) {
	text, err := json.Marshal(metadata)
	if err != nil {
		return "", fmt.Errorf("encode metadata: %w", err)
	}
	return string(text), nil
}

// isPlain is whether text stands in JSON as it is.
func isPlain(text string) bool {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

func decodeMetadata(text string) (message.Metadata, error) {
	if text == "{}" {
		return message.Metadata{}, nil
	}
	var metadata message.Metadata
	if err := json.Unmarshal([]byte(text), &metadata); err != nil {
		return nil, fmt.Errorf("decode metadata: %w", err)
	}
	if metadata == nil {
		metadata = message.Metadata{}
	}
	return metadata, nil
}
