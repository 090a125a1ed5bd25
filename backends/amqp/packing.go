package amqp

import (
	"encoding/binary"
	"errors"
	"maps"

	"github.com/redrive-go/redrive/retry"
)

// errPacking is why a body that should begin with metadata does not.
var errPacking = errors.New("the body does not begin with the metadata that its headers promise")

// keyUUID is where packed metadata has the message's UUID. No metadata of a message's own has this key.
const keyUUID = headerPacked

// pack returns a body that begins with the metadata, which cannot travel as headers: it is too large, or its keys are. A count,
// then keys and values by turns, each after its length; numbers are unsigned varints.
func pack(c *content) []byte {
	pairs := maps.Clone(c.metadata)
	if pairs == nil {
		pairs = map[string]string{}
	}
	pairs[keyUUID] = c.uuid
	if c.history != "" {
		pairs[retry.MetadataHistory] = c.history
	}
	body := binary.AppendUvarint(nil, uint64(len(pairs)))
	for key, value := range pairs {
		for _, s := range [...]string{key, value} {
			body = append(binary.AppendUvarint(body, uint64(len(s))), s...)
		}
	}
	return append(body, c.payload...)
}

// unpack is the reverse of pack.
func unpack(c *content) error {
	body := c.payload
	n, body, ok := takeNumber(body)
	for ; ok && n > 0; n-- {
		var key, value string
		if key, body, ok = takeString(body); ok {
			value, body, ok = takeString(body)
		}
		switch key {
		case keyUUID:
			c.uuid = value
		case retry.MetadataHistory:
			c.history = value
		default:
			c.metadata[key] = value
		}
	}
	if !ok {
		return errPacking
	}
	c.payload = body
	return nil
}

func takeNumber(body []byte) (n uint64, rest []byte, ok bool) {
	n, size := binary.Uvarint(body)
	if size <= 0 {
		return 0, nil, false
	}
	return n, body[size:], true
}

func takeString(body []byte) (s string, rest []byte, ok bool) {
	n, body, ok := takeNumber(body)
	if !ok || n > uint64(len(body)) {
		return "", nil, false
	}
	return string(body[:n]), body[n:], true
}
