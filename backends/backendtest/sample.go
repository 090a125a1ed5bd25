package backendtest

import (
	"crypto/sha256"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/retry"
)

// acceptance is a new event.
func acceptance(id, body string) asyncevents.Acceptance {
	at := time.Now().UTC()
	msg := message.NewMessage(id, []byte(body))
	msg.Metadata.Set(retry.MetadataAcceptedAt, at.Format(time.RFC3339Nano))
	return asyncevents.Acceptance{
		CorrelationID: id,
		BodyHash:      sha256.Sum256([]byte(body)),
		AcceptedAt:    at,
		Topic:         topic,
		Message:       msg,
	}
}

// recordOnly is a new event without a message.
func recordOnly(id, body string) asyncevents.Acceptance {
	a := acceptance(id, body)
	a.Topic, a.Message = "", nil
	return a
}

// entry is a dead letter of a message that was tried once.
func entry(queue, messageID string) dlq.Entry {
	return dlq.Entry{
		Queue:         queue,
		Topic:         topic,
		MessageID:     messageID,
		CorrelationID: messageID,
		Payload:       []byte(`{"id":"` + messageID + `"}`),
		Metadata:      map[string]string{"colour": "blau"},
		Failure:       dlq.Failure{Type: "*errors.errorString", Message: "boom"},
		Attempts:      retry.History{attempt(1, "boom")},
	}
}

// attempt is one that failed; in whole milliseconds, which every store keeps.
func attempt(number int, reason string) retry.Attempt {
	return retry.Attempt{
		Number: number, StartedAt: time.Date(2026, 1, 2, 3, 4, 5, 6_000_000, time.UTC), DurationMS: 7, Error: reason,
	}
}

// entryOf is the dead letter of a delivered message whose attempt failed for that reason.
func entryOf(msg *message.Message, queue, reason string) dlq.Entry {
	delivery := retry.DeliveryOf(msg)
	dead := dlq.EntryOf(msg, queue, dlq.Failure{Type: "test", Message: reason})
	dead.Topic = topic
	dead.Attempts = delivery.History.Append(attempt(delivery.History.Last()+1, reason))
	return dead
}

// odd returns payloads that a careless store would damage.
func odd() map[string][]byte {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	large := make([]byte, 1<<20)
	random := rand.NewChaCha8([32]byte{1})
	_, _ = random.Read(large) // never fails
	return map[string][]byte{
		"every byte": every,
		"empty":      {},
		"1 MiB":      large,
		"NUL":        []byte("a\x00b"),
		"not UTF-8":  []byte("\xff\xfe\xc3\x28"),
		"JSON":       []byte(`{ "b" : 1.0, "a":1e2,"a":"ü\u0000" }` + "\n"),
		"SQL":        []byte(`'; DROP TABLE x; -- \x41 \\ $1 ?`),
	}
}

// oddMetadata is metadata that a careless store would damage.
func oddMetadata() message.Metadata {
	return message.Metadata{
		"":             "no name",
		"empty":        "",
		"Case":         "Upper",
		"case":         "lower",
		"söme.ключ-鍵":  "wért\r\n\t\"'\\😀",
		"integer":      "007",
		"tracestate":   "a=1,b=2",
		"null":         "null",
		"long":         strings.Repeat("ß", 5000),
		"redrive_mine": "kept",
	}
}
