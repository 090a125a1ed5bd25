package dlq_test

import (
	"strings"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/components/delay"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/assert"

	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/retry"
)

func TestEntryOf(t *testing.T) {
	t.Parallel()
	accepted := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	history := retry.History{{Number: 1, Error: "x"}}
	msg := message.NewMessage("uuid", message.Payload("\x00payload"))
	msg.Metadata = message.Metadata{
		"tenant": "a", retry.MetadataCorrelationID: "corr", retry.MetadataAcceptedAt: accepted.Format(time.RFC3339Nano),
		retry.MetadataAttempt: "5", retry.MetadataRedrives: "2", retry.MetadataHistory: history.String(),
		retry.MetadataDamage: "d", delay.DelayedForKey: "1s", delay.DelayedUntilKey: "2026-01-01T00:00:00Z",
		"reason_poisoned": "r", "topic_poisoned": "t", "handler_poisoned": "h", "subscriber_poisoned": "s",
	}
	entry := dlq.EntryOf(msg, "events", dlq.Failure{Type: "T", Message: strings.Repeat("x", 1<<20), Stack: "s"})
	assert.Len(t, entry.Failure.Message, retry.MaxErrorText)
	entry.Failure.Message = ""
	assert.Equal(t, dlq.Entry{
		Queue: "events", MessageID: "uuid", CorrelationID: "corr", AcceptedAt: accepted, Payload: []byte("\x00payload"),
		Metadata: map[string]string{
			"tenant": "a", retry.MetadataCorrelationID: "corr", retry.MetadataAcceptedAt: accepted.Format(time.RFC3339Nano),
		},
		Failure: dlq.Failure{Type: "T", Stack: "s"}, Attempts: history, Redrives: 2,
	}, entry)
	msg.Payload[0] = 'x'
	assert.Equal(t, "\x00payload", string(entry.Payload), "a copy")
}

func TestEntryOfNamesTheNameless(t *testing.T) {
	t.Parallel()
	entry := dlq.EntryOf(&message.Message{}, "events", dlq.Failure{})
	assert.NotEmpty(t, entry.MessageID)
	assert.Equal(t, entry.MessageID, entry.CorrelationID)
}
