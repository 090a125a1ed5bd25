package queue_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/components/delay"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/assert"

	"github.com/redrive-go/redrive/backends/internal/queue"
	"github.com/redrive-go/redrive/retry"
)

func TestDelayOf(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		until := time.Now().Add(time.Minute).UTC().Format(time.RFC3339)
		for name, c := range map[string]struct {
			metadata message.Metadata
			want     time.Duration
			ok       bool
		}{
			"none":                {nil, 0, false},
			"for":                 {message.Metadata{delay.DelayedForKey: "1.5s"}, 1500 * time.Millisecond, true},
			"for before until":    {message.Metadata{delay.DelayedForKey: "1s", delay.DelayedUntilKey: until}, time.Second, true},
			"until":               {message.Metadata{delay.DelayedUntilKey: until}, time.Minute, true},
			"past":                {message.Metadata{delay.DelayedForKey: "-5s"}, 0, true},
			"unreadable":          {message.Metadata{delay.DelayedForKey: "soon"}, 0, false},
			"unreadable for":      {message.Metadata{delay.DelayedForKey: "?", delay.DelayedUntilKey: until}, time.Minute, true},
			"Watermill's own key": {delayed(time.Hour), time.Hour, true},
		} {
			got, ok := queue.DelayOf(c.metadata)
			assert.Equal(t, c.ok, ok, name)
			assert.Equal(t, c.want, got, name)
		}
	})
}

func delayed(d time.Duration) message.Metadata {
	msg := message.NewMessage("1", nil)
	delay.Message(msg, delay.For(d))
	return msg.Metadata
}

func TestSplitMetadata(t *testing.T) {
	t.Parallel()
	metadata := delayed(time.Second)
	metadata[retry.MetadataAttempt] = "3"
	metadata[retry.MetadataRedrives] = "1"
	metadata[retry.MetadataHistory] = "[]"
	metadata[retry.MetadataAcceptedAt] = "then"
	metadata["colour"] = "blue"
	own, history := queue.SplitMetadata(metadata)
	assert.Equal(t, message.Metadata{"colour": "blue", retry.MetadataAcceptedAt: "then"}, own)
	assert.Equal(t, "[]", history)
	assert.Len(t, metadata, 7, "the message keeps its own")
}
