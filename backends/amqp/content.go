package amqp

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"math"
	mathrand "math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/redrive-go/redrive/backends/internal/queue"
	"github.com/redrive-go/redrive/retry"
)

// Headers beside a message's metadata. Those of package retry travel under their own names.
const (
	// headerCopy is a random number that names each copy of a message which was ever published. By it a redelivery is known
	// as what this process has in hand.
	headerCopy = retry.MetadataPrefix + "copy"
	// headerCheck marks what may be left over from an attempt whose outcome is recorded already.
	headerCheck = retry.MetadataPrefix + "check"
	// headerWait is how many milliseconds of a wait are left after the one that a queue can make.
	headerWait = retry.MetadataPrefix + "wait_ms"
	// headerPacked marks a body that begins with the metadata.
	headerPacked = retry.MetadataPrefix + "packed"
	// headerDeliveries is how often a quorum queue has delivered a message in vain.
	headerDeliveries = "x-delivery-count"
	// headerWatermillUUID is where watermill-amqp keeps a message's UUID.
	headerWatermillUUID = "_watermill_message_uuid"
)

// maxHeaders is the largest size of all headers in bytes: they must fit into one frame, which is 128 KiB as a rule.
const maxHeaders = 32 << 10

// content is a message as it travels.
type content struct {
	uuid     string
	payload  []byte
	metadata message.Metadata // the message's own
	history  string           // the attempts that ended, as JSON
	starts   int              // attempts that were started since the last redrive
	redrives int
	copy     int64 // names this copy; 0 for a message from elsewhere
	check    bool  // whether it may be left over
	wait     time.Duration
}

// newContent is a message on its way into a topic.
func newContent(msg *message.Message) content {
	own, history := queue.SplitMetadata(msg.Metadata)
	wait, _ := queue.DelayOf(msg.Metadata)
	c := content{uuid: msg.UUID, payload: msg.Payload, metadata: own, history: history, copy: newCopy(), wait: wait}
	if text := msg.Metadata[retry.MetadataRedrives]; text != "" {
		c.redrives, _ = strconv.Atoi(text) // what is no number counts as none
	}
	return c
}

// newCopy names a copy.
func newCopy() int64 {
	return mathrand.Int64N(math.MaxInt64) + 1 //nolint:gosec // a name, not a secret
}

// publishing returns what is sent. What is sent again, because nobody knows whether it arrived, is the same copy: where it comes
// twice, it is taken once.
func (c *content) publishing() amqp.Publishing {
	headers := make(amqp.Table, len(c.metadata)+1)
	p := amqp.Publishing{
		DeliveryMode: amqp.Persistent, MessageId: c.uuid, Headers: headers, Body: c.payload,
	}
	if len(c.uuid) > math.MaxUint8 || !c.plain() {
		headers[headerPacked] = true
		p.MessageId, p.Body = "", pack(c)
	} else {
		for key, value := range c.metadata {
			headers[key] = value
		}
		if c.history != "" {
			headers[retry.MetadataHistory] = c.history
		}
	}
	headers[headerCopy] = c.copy
	setPositive(headers, retry.MetadataAttempt, int64(c.starts))
	setPositive(headers, retry.MetadataRedrives, int64(c.redrives))
	setPositive(headers, headerWait, c.wait.Milliseconds())
	if c.check {
		headers[headerCheck] = true
	}
	return p
}

func setPositive(headers amqp.Table, key string, n int64) {
	if n > 0 {
		headers[key] = n
	}
}

// plain is whether the metadata can travel as headers.
func (c *content) plain() bool {
	size := len(c.history)
	for key, value := range c.metadata {
		size += len(key) + len(value)
		if len(key) > math.MaxUint8 || !isFree(key) {
			return false
		}
	}
	return size <= maxHeaders
}

// isFree is whether a header of that name has no meaning here or to the broker.
func isFree(key string) bool {
	switch key {
	case headerCopy, headerCheck, headerWait, headerPacked, headerWatermillUUID, "":
		return false
	}
	return queue.IsOwn(key) && !strings.HasPrefix(key, "x-") && key != "CC" && key != "BCC"
}

// read returns what a delivery carries, and how often the same copy was delivered before. damage is why it could not be decoded.
func read(d *amqp.Delivery) (c content, before int, damage error) {
	c = content{uuid: d.MessageId, payload: d.Body, metadata: message.Metadata{}}
	packed := false
	for key, value := range d.Headers {
		switch key {
		case headerCopy:
			c.copy = number(value)
		case headerCheck:
			c.check, _ = value.(bool)
		case headerWait:
			c.wait = time.Duration(min(max(number(value), 0), math.MaxInt64/int64(time.Millisecond))) * time.Millisecond
		case headerPacked:
			packed, _ = value.(bool)
		case headerDeliveries:
			before = count(value)
		case headerWatermillUUID:
			c.uuid = text(value)
		case retry.MetadataAttempt:
			c.starts = count(value)
		case retry.MetadataRedrives:
			c.redrives = count(value)
		case retry.MetadataHistory:
			c.history = text(value)
		default:
			if isFree(key) {
				c.metadata[key] = text(value)
			}
		}
	}
	if d.Redelivered { // RabbitMQ 4.3 does not count each of them
		before = max(before, 1)
	}
	if packed {
		damage = unpack(&c)
	}
	if c.uuid == "" { // from elsewhere
		c.uuid = rand.Text()
	}
	return c, before, damage
}

// number reads an integer of any size.
func number(value any) int64 {
	switch n := value.(type) {
	case int64:
		return n
	case int32:
		return int64(n)
	case int16:
		return int64(n)
	case int8:
		return int64(n)
	case uint8:
		return int64(n)
	case uint16:
		return int64(n)
	case uint32:
		return int64(n)
	case int:
		return int64(n)
	}
	return 0
}

// count reads a small number that is not negative.
func count(value any) int { return int(min(max(number(value), 0), math.MaxInt32)) }

// text makes metadata of a header, whatever its type: AMQP has many, Watermill has strings.
func text(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case []byte:
		return string(v)
	case nil:
		return ""
	case time.Time:
		return v.UTC().Format(time.RFC3339)
	case amqp.Table, []any:
		if b, err := json.Marshal(v); err == nil {
			return string(b)
		}
	}
	return fmt.Sprint(value)
}
