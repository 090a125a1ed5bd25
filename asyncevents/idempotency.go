package asyncevents

import (
	"crypto/sha256"
	"fmt"
	"net/http"

	"github.com/google/uuid"
)

// maxIdempotencyKey is the length of an idempotency key at most, in bytes.
const maxIdempotencyKey = 255

// keySpace keeps the ids that are made of keys apart from all other name-based UUIDs.
var keySpace = uuid.MustParse("5c8a7b3f-38ac-4a49-b61e-199b814b94e6")

// nameOf returns the correlation id that follows from how the client names an event other than by a correlation_id, "" for none.
func (s *Submission) nameOf(event *Event) string {
	switch e := event.CloudEvent; {
	case e != nil:
		return idOf("CloudEvent", s.Client, e.Source, e.ID)
	case s.IdempotencyKey != "":
		return idOfKey(s.Client, s.IdempotencyKey)
	}
	return ""
}

// idOfKey returns the correlation id of the event that a client sends with a key. It follows from the two alone, so that what makes
// sending again safe is the one unique index on correlation ids, on every backend, and no second record that could go astray.
func idOfKey(client, key string) string { return idOf("Idempotency-Key", client, key) }

// idOf returns the correlation id that follows from names. Other names have another one, however they are cut.
func idOf(names ...string) string {
	const version = 8 // whatever the application likes, RFC 9562
	return uuid.NewHash(sha256.New(), keySpace, fmt.Appendf(nil, "%q", names), version).String()
}

// idempotencyKeyOf returns the request's Idempotency-Key, "" for none.
func idempotencyKeyOf(header http.Header) (string, *Problem) {
	values := header.Values("Idempotency-Key")
	if len(values) == 0 {
		return "", nil
	}
	if len(values) > 1 || !isIdempotencyKey(values[0]) {
		return "", newInvalidPropertyProblem("Idempotency-Key must be one header of 1 to 255 printable ASCII characters")
	}
	return values[0], nil
}

func isIdempotencyKey(key string) bool {
	for i := range len(key) {
		if key[i] < ' ' || key[i] > '~' {
			return false
		}
	}
	return key != "" && len(key) <= maxIdempotencyKey
}
