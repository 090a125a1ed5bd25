package memory

import (
	"bytes"
	"maps"
	"slices"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/retry"
)

// deadLetter is one entry of a DLQ. It never changes, so it may be read outside the critical section.
type deadLetter struct {
	id       int64
	entry    dlq.Entry
	metadata message.Metadata // what the message carries after a redrive
	history  string
}

// newDeadLetter copies an entry. What the store fills in is left out.
func newDeadLetter(entry *dlq.Entry) *deadLetter {
	l := &deadLetter{entry: copyEntry(entry), history: entry.Attempts.String()}
	l.entry.Failure.Message = retry.CutText(l.entry.Failure.Message)
	if l.entry.CorrelationID == "" {
		l.entry.CorrelationID = entry.MessageID
	}
	l.metadata = redrivenMetadata(&l.entry)
	return l
}

// redrivenMetadata is the entry's metadata and what of the event it does not name already.
func redrivenMetadata(entry *dlq.Entry) message.Metadata {
	metadata := make(message.Metadata, len(entry.Metadata)+2)
	if !entry.AcceptedAt.IsZero() {
		metadata[retry.MetadataAcceptedAt] = entry.AcceptedAt.UTC().Format(time.RFC3339Nano)
	}
	if entry.CorrelationID != entry.MessageID {
		metadata[retry.MetadataCorrelationID] = entry.CorrelationID
	}
	maps.Copy(metadata, entry.Metadata)
	return metadata
}

// shown returns a copy for a caller.
func (l *deadLetter) shown(exportedUpTo int64) dlq.Entry {
	entry := copyEntry(&l.entry)
	entry.Exported = l.id <= exportedUpTo
	return entry
}

// redriven returns the message that the entry becomes again.
func (l *deadLetter) redriven() *item {
	return &item{
		uuid:     l.entry.MessageID,
		payload:  l.entry.Payload,
		metadata: l.metadata,
		history:  l.history,
		redrives: l.entry.Redrives + 1,
	}
}

func copyEntry(entry *dlq.Entry) dlq.Entry {
	out := *entry
	out.Payload = bytes.Clone(entry.Payload)
	out.Metadata = maps.Clone(entry.Metadata)
	out.Attempts = slices.Clone(entry.Attempts)
	return out
}
