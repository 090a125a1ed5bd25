package sqlstore

import (
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/redrive-go/redrive/backends/internal/queue"
	"github.com/redrive-go/redrive/retry"
)

// Outgoing is a message on its way into its topic, encoded by whoever hands it in: the transaction is the one thing
// that only few can do at a time.
type Outgoing struct {
	Topic    string
	UUID     string
	Metadata string // a JSON object
	History  string
	Redrives int64
	Payload  []byte        // not nil: drivers store a nil slice as NULL
	Wait     time.Duration // until it is due
}

// NewOutgoing encodes a message.
func NewOutgoing(topic string, msg *message.Message) (o Outgoing, err error) {
	o = Outgoing{Topic: topic, UUID: msg.UUID, History: msg.Metadata[retry.MetadataHistory], Payload: orEmpty(msg.Payload)}
	if text := msg.Metadata.Get(retry.MetadataRedrives); text != "" {
		o.Redrives, _ = strconv.ParseInt(text, 10, 32) // what is no number counts as none
	}
	o.Wait, _ = queue.DelayOf(msg.Metadata)
	if o.Metadata, err = encodeOwn(msg.Metadata); err != nil {
		return o, fmt.Errorf("message %s: %w", msg.UUID, err)
	}
	return o, nil
}

// Encode encodes messages for one topic, whose name it checks.
func Encode(topic string, messages ...*message.Message) ([]Outgoing, error) {
	if err := queue.CheckTopic(topic); err != nil {
		return nil, err
	}
	out := make([]Outgoing, len(messages))
	for i, m := range messages {
		var err error
		if out[i], err = NewOutgoing(topic, m); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func orEmpty(payload []byte) []byte {
	if payload == nil {
		return []byte{}
	}
	return payload
}

// Runs yields the runs of elements that have the same key and stand together.
func Runs[T any](list []T, key func(*T) string) iter.Seq2[string, []T] {
	return func(yield func(string, []T) bool) {
		for len(list) > 0 {
			first, n := key(&list[0]), 1
			for n < len(list) && key(&list[n]) == first {
				n++
			}
			if !yield(first, list[:n]) {
				return
			}
			list = list[n:]
		}
	}
}

// TopicOf is the topic of a message, as a key for Runs.
func TopicOf(o *Outgoing) string { return o.Topic }

// byTopic sorts messages so that each topic is written to once.
func byTopic(messages []Outgoing) []Outgoing {
	slices.SortStableFunc(messages, func(a, b Outgoing) int { return strings.Compare(a.Topic, b.Topic) })
	return messages
}

// EncodeMetadata returns metadata as a JSON object. Most of it is plain text, for which this is much quicker than
// encoding/json; what is not goes there.
func EncodeMetadata(metadata message.Metadata) (string, error) {
	return encode(metadata, func(string) bool { return true })
}

// encodeOwn is EncodeMetadata of what is the message's own in metadata.
func encodeOwn(metadata message.Metadata) (string, error) { return encode(metadata, queue.IsOwn) }

func encode(metadata message.Metadata, wanted func(key string) bool) (string, error) {
	text := append(make([]byte, 0, 128), '{')
	for key, value := range metadata {
		if !wanted(key) {
			continue
		}
		if !isPlain(key) || !isPlain(value) {
			some := maps.Clone(metadata)
			maps.DeleteFunc(some, func(key, _ string) bool { return !wanted(key) })
			return encodeAnyMetadata(some)
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

// asUsual has jsonv2, which is quicker, take what encoding/json takes.
var asUsual = jsonv2.JoinOptions(jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))

// DecodeMetadata is the reverse of EncodeMetadata.
func DecodeMetadata(text string) (message.Metadata, error) {
	if metadata, plain := decodePlain(text); plain {
		return metadata, nil
	}
	var metadata message.Metadata
	if err := jsonv2.Unmarshal([]byte(text), &metadata, asUsual); err != nil {
		return nil, fmt.Errorf("decode metadata: %w", err)
	}
	if metadata == nil {
		metadata = message.Metadata{}
	}
	return metadata, nil
}

// decodePlain is the reverse of encode where all stands in JSON as it is, which is as good as always, and returns false where it does not.
func decodePlain(text string) (metadata message.Metadata, plain bool) {
	text, plain = strings.CutPrefix(text, "{")
	metadata = make(message.Metadata, strings.Count(text, `":"`))
	for plain && text != "}" {
		var name, value string
		if name, value, text, plain = cutPlain(text); plain {
			metadata[name] = value
		}
	}
	return metadata, plain
}

// cutPlain cuts a member, and the comma after it, off the beginning of a text.
func cutPlain(text string) (name, value, rest string, plain bool) {
	text, opened := strings.CutPrefix(text, `"`)
	name, text, named := strings.Cut(text, `":"`)
	value, rest, closed := strings.Cut(text, `"`)
	rest, more := strings.CutPrefix(rest, ",")
	plain = opened && named && closed && isPlain(name) && isPlain(value)
	return name, value, rest, plain && more != (rest == "}")
}
