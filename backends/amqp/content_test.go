package amqp

import (
	"strings"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/redrive-go/redrive/retry"
)

// delivered is a delivery of what was published.
func delivered(p amqp.Publishing) *amqp.Delivery {
	return &amqp.Delivery{MessageId: p.MessageId, Headers: p.Headers, Body: p.Body}
}

func TestContentTravels(t *testing.T) {
	t.Parallel()
	keys := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{
		"x-death", "CC", headerCopy, headerPacked, headerCheck, headerWatermillUUID, retry.MetadataAcceptedAt, strings.Repeat("k", 300),
	}))
	values := rapid.OneOf(rapid.String(), rapid.Just(strings.Repeat("v", 50<<10)), rapid.Just("\xff\x00"))
	rapid.Check(t, func(t *rapid.T) {
		c := content{
			uuid:     rapid.OneOf(rapid.StringN(1, -1, -1), rapid.Just(strings.Repeat("u", 300))).Draw(t, "uuid"),
			payload:  rapid.SliceOf(rapid.Byte()).Draw(t, "payload"),
			metadata: rapid.MapOf(keys, values).Draw(t, "metadata"),
			history:  rapid.OneOf(rapid.Just(""), rapid.Just(retry.History{{Number: 1, Error: strings.Repeat("e", 2000)}}.String())).Draw(t, "history"),
			starts:   rapid.IntRange(0, 10).Draw(t, "starts"),
			redrives: rapid.IntRange(0, 10).Draw(t, "redrives"),
			check:    rapid.Bool().Draw(t, "check"),
			wait:     time.Duration(rapid.Int64Range(0, 1e9).Draw(t, "wait")) * time.Millisecond,
			copy:     newCopy(),
		}
		delete(c.metadata, headerPacked) // names the UUID within a packed body, and is reserved
		p := c.publishing()
		require.NoError(t, p.Headers.Validate())
		size := 0
		for key, value := range p.Headers {
			size += len(key) + len(text(value))
		}
		assert.Less(t, size, maxHeaders+1000, "headers fit into a frame")
		got, before, damage := read(delivered(p))
		require.NoError(t, damage)
		assert.Zero(t, before)
		if len(got.payload) == 0 {
			got.payload = c.payload
		}
		assert.Equal(t, c, got)
	})
}

func TestContentFromElsewhere(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	c, before, damage := read(&amqp.Delivery{Body: []byte("x"), Headers: amqp.Table{
		"int": int32(-7), "long": int64(1 << 40), "byte": byte(3), "float": 1.5, "yes": true, "none": nil, "at": at,
		"bytes": []byte("b"), "list": []any{"a", int32(1)}, "table": amqp.Table{"k": "v"}, "text": "t",
		"x-death":        []any{amqp.Table{"count": int64(3), "reason": "expired", "queue": "q", "time": at}},
		headerDeliveries: int64(4), "x-first-death-reason": "expired", "x-acquired-count": int32(9), headerWatermillUUID: "u-1",
		retry.MetadataAttempt: int16(2), retry.MetadataRedrives: uint8(1), headerCopy: "no number", headerWait: int64(-5),
	}})
	require.NoError(t, damage)
	assert.Equal(t, 4, before)
	assert.Equal(t, content{
		uuid: "u-1", payload: []byte("x"), starts: 2, redrives: 1,
		metadata: message.Metadata{
			"int": "-7", "long": "1099511627776", "byte": "3", "float": "1.5", "yes": "true", "none": "", "at": "2026-01-02T03:04:05Z",
			"bytes": "b", "list": `["a",1]`, "table": `{"k":"v"}`, "text": "t",
		},
	}, c)

	c, _, _ = read(&amqp.Delivery{})
	other, _, _ := read(&amqp.Delivery{})
	assert.NotEmpty(t, c.uuid)
	assert.NotEqual(t, c.uuid, other.uuid)
	for _, deliveries := range []any{int64(1 << 50), int32(-1), "many"} {
		_, before, _ = read(&amqp.Delivery{Headers: amqp.Table{headerDeliveries: deliveries}})
		assert.GreaterOrEqual(t, before, 0)
	}
}

func TestDamagedPacking(t *testing.T) {
	t.Parallel()
	c := content{uuid: "u", payload: []byte("payload"), metadata: message.Metadata{"x-odd": "v"}}
	whole := c.publishing()
	for n := range len(whole.Body) - len(c.payload) {
		cut := whole
		cut.Body = whole.Body[:n]
		_, _, damage := read(delivered(cut))
		require.ErrorIs(t, damage, errPacking, n)
	}
}

func FuzzUnpack(f *testing.F) {
	c := content{uuid: "u", payload: []byte("payload"), metadata: message.Metadata{"x-odd": "v"}}
	f.Add(c.publishing().Body)
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, body []byte) {
		got, _, damage := read(&amqp.Delivery{Headers: amqp.Table{headerPacked: true}, Body: body})
		if damage == nil {
			assert.LessOrEqual(t, len(got.payload), len(body))
		}
	})
}
