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
	id        int64
	entry     dlq.Entry
	history   string // Attempts as a message carries them
	signature string // of its failure
}

// newDeadLetter copies an entry. What the store fills in is left out.
func newDeadLetter(entry *dlq.Entry) *deadLetter {
	l := &deadLetter{entry: copyEntry(entry), history: entry.Attempts.String(), signature: entry.Failure.Signature()}
	l.entry.Failure.Message = retry.CutText(l.entry.Failure.Message)
	if l.entry.CorrelationID == "" {
		l.entry.CorrelationID = entry.MessageID
	}
	return l
}

// meets is whether the letter is among those that a list asks for by what it is.
func (l *deadLetter) meets(p *dlq.ListParams) bool {
	return p.Meets(&l.entry, func() string { return l.signature })
}

// shown returns a copy for a caller.
func (l *deadLetter) shown(exportedUpTo int64) dlq.Entry {
	entry := copyEntry(&l.entry)
	entry.Exported = l.id <= exportedUpTo
	return entry
}

// brief is shown without what a brief list leaves out.
func (l *deadLetter) brief(exportedUpTo int64) dlq.Entry {
	entry := l.entry
	entry.Payload, entry.Metadata, entry.Attempts, entry.Failure.Stack = nil, nil, nil, ""
	entry.Exported = l.id <= exportedUpTo
	return entry
}

// redriven returns the message that the entry becomes again.
func (l *deadLetter) redriven(p *dlq.RedriveParams, at time.Time) *item {
	metadata := make(message.Metadata, len(l.entry.Metadata)+3)
	maps.Copy(metadata, l.entry.Metadata)
	metadata.Set(retry.MetadataRedrivenAt, at.UTC().Format(time.RFC3339Nano))
	if p.Job != "" {
		metadata.Set(retry.MetadataJob, p.Job)
	}
	if p.SingleAttempt {
		metadata.Set(retry.MetadataSingleAttempt, "true")
	}
	return &item{
		uuid:     l.entry.MessageID,
		payload:  l.entry.Payload,
		metadata: metadata,
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
