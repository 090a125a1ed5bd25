package dlq

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/redrive-go/redrive/retry"
)

const (
	// importChunk is how many entries Import adds before it looks which of them were new.
	importChunk = 100
	// importBytes is how much payload a chunk has at most, beside that of its last entry.
	importBytes = 4 << 20
	// importTimeout bounds one chunk. It ends whole even if the caller goes away meanwhile, so that what was done can be told.
	importTimeout = time.Minute
	// maxImportName is the length in bytes of ids and topics that every backend takes.
	maxImportName = 255
)

// ImportParams say where Import puts entries.
type ImportParams struct {
	// Queue names the DLQ. Entries of another one are refused.
	Queue string
	// Topic, when not empty, is where a redrive will publish the messages, whatever topic the entries name. Set it when the
	// entries come from somebody who may not publish to any topic.
	Topic string
	// Redrive asks for the entries to be moved on to their topic at once.
	Redrive bool
}

// Imported is what Import did.
type Imported struct {
	// Imported is how many entries were added to the DLQ; with ImportParams.Redrive, how many were moved to their topic.
	Imported int64 `json:"imported"`
	// Skipped is how many changed nothing, because their message stood in the DLQ already.
	Skipped int64 `json:"skipped"`
}

// BadEntryError is returned by Import for an entry that cannot be imported. Those before it were.
type BadEntryError struct {
	// Number is the entry's place in what was to be imported, from 1.
	Number int64
	// Reason is what is wrong with it.
	Reason string
}

// Error says which entry it is, and why.
func (e *BadEntryError) Error() string {
	return fmt.Sprintf("entry %d cannot be imported: %s", e.Number, e.Reason)
}

// Import puts entries into a DLQ that once stood in one, as an export has them: with their failure, attempts, redrives and
// correlation id, under new ids. An entry whose message stands in the DLQ already is skipped, so importing twice adds nothing.
//
// With Redrive the entries are then moved to their topic as by Retry. An entry that stood there already under the id that it
// comes with is moved as well, one under another id is skipped. What was moved no longer stands in the DLQ: importing it once
// more makes its message run once more.
//
// Import reads entries one at a time and holds about 100 of them, or 4 MiB of payloads. When it returns an error, a
// *BadEntryError, one of entries or of the store, the result says what was done until then: everything before a bad entry or an
// error of entries, and at least as much as it says when the store failed. Where others move or erase entries of the same DLQ
// meanwhile, what they took before it was looked at counts as skipped. The end of ctx, which must not be a message's, is noticed
// between two chunks.
func (m *Manager) Import(ctx context.Context, p ImportParams, entries iter.Seq2[Entry, error]) (Imported, error) {
	im := &importer{manager: m, params: p}
	err := im.run(ctx, entries)
	if im.done.Imported > 0 {
		m.logger.InfoContext(ctx, "dead letters imported", "queue", p.Queue, "redriven", p.Redrive,
			"imported", im.done.Imported, "skipped", im.done.Skipped)
	}
	if err != nil {
		return im.done, fmt.Errorf("dlq: import into %s: %w", p.Queue, err)
	}
	return im.done, nil
}

// importer is one Import on its way.
type importer struct {
	manager *Manager
	params  ImportParams
	done    Imported
	read    int64
	chunk   []Entry
	bytes   int
}

// run imports what comes. What was read before an error is imported first.
func (im *importer) run(ctx context.Context, entries iter.Seq2[Entry, error]) error {
	for entry, err := range entries {
		if err == nil {
			err = im.take(entry)
		}
		if err != nil {
			return firstError(im.flush(ctx), err)
		}
		if len(im.chunk) < importChunk && im.bytes < importBytes {
			continue
		}
		if err := im.flush(ctx); err != nil {
			return err
		}
	}
	return im.flush(ctx)
}

// firstError is the one that explains more: where the store failed, what came after was not looked at.
func firstError(flushing, reading error) error {
	if flushing != nil {
		return flushing
	}
	return reading
}

// take makes an entry part of the chunk, if it can be imported.
func (im *importer) take(entry Entry) error {
	im.read++
	if reason := im.params.refusal(&entry); reason != "" {
		return &BadEntryError{Number: im.read, Reason: reason}
	}
	im.chunk = append(im.chunk, im.params.prepared(entry))
	im.bytes += len(entry.Payload)
	return nil
}

// refusal is why an entry cannot be imported, "" when it can.
func (p *ImportParams) refusal(entry *Entry) string {
	switch {
	case entry.Queue != p.Queue:
		return fmt.Sprintf("it is of the queue %.64q", entry.Queue)
	case !isName(entry.MessageID):
		return "its message_id is missing or no id; exports of earlier versions have none"
	case entry.CorrelationID != "" && !isName(entry.CorrelationID):
		return "its correlation_id is no id"
	case p.Topic == "" && !isName(entry.Topic):
		return "its topic is missing or no name of one; exports of earlier versions have none"
	case entry.Redrives < 0:
		return "its redrives are negative"
	}
	return ""
}

// isName is whether every backend takes a text as an id or a topic.
func isName(text string) bool {
	if text == "" || len(text) > maxImportName || !utf8.ValidString(text) {
		return false
	}
	for _, r := range text {
		if r < ' ' || r == 0x7f {
			return false
		}
	}
	return true
}

// prepared is an entry as the store is to have it: what describes its message's delivery is as the fields say, and within the
// limits that entries have.
func (p *ImportParams) prepared(entry Entry) Entry {
	if p.Topic != "" {
		entry.Topic = p.Topic
	}
	if entry.CorrelationID == "" {
		entry.CorrelationID = entry.MessageID
	}
	entry.Failure.Message = retry.CutText(entry.Failure.Message)
	var attempts retry.History
	for _, attempt := range entry.Attempts {
		attempts = attempts.Append(attempt)
	}
	entry.Attempts = attempts
	entry.Metadata = maps.Clone(ownMetadata(entry.Metadata))
	entry.Metadata[retry.MetadataCorrelationID] = entry.CorrelationID
	if !entry.AcceptedAt.IsZero() {
		entry.Metadata[retry.MetadataAcceptedAt] = entry.AcceptedAt.UTC().Format(time.RFC3339Nano)
	}
	return entry
}

// flush imports the chunk and begins another. ctx counts before it alone.
func (im *importer) flush(ctx context.Context) error {
	chunk := im.chunk
	im.chunk, im.bytes = im.chunk[:0], 0
	if len(chunk) == 0 {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), importTimeout)
	defer cancel()
	stats, err := im.manager.Stat(ctx, im.params.Queue)
	if err != nil {
		return err
	}
	added, addErr := im.add(ctx, chunk)
	if err := im.settle(ctx, chunk[:added], stats.Newest); err != nil {
		return firstError(addErr, err)
	}
	return addErr
}

// add adds a chunk and returns how many of it the store took.
func (im *importer) add(ctx context.Context, chunk []Entry) (int, error) {
	for i, entry := range chunk {
		if err := im.manager.store.Add(ctx, entry); err != nil {
			return i, fmt.Errorf("add message %s: %w", entry.MessageID, err)
		}
	}
	return len(chunk), nil
}

// settle finds out which of a chunk were new, moves them on where that is asked for, and counts. newest is the largest id that
// stood in the DLQ before them: what came in since has larger ones.
func (im *importer) settle(ctx context.Context, chunk []Entry, newest int64) error {
	if len(chunk) == 0 {
		return nil
	}
	open := make(map[string]int64, len(chunk)) // ids that entries came with, by message
	for _, entry := range chunk {
		open[entry.MessageID] = entry.ID
	}
	ids, err := im.arrived(ctx, open, newest)
	if err != nil {
		return err
	}
	count := int64(len(ids))
	if im.params.Redrive {
		if count, err = im.redrive(ctx, ids, open); err != nil {
			return err
		}
	}
	im.done.Imported += count
	im.done.Skipped += int64(len(chunk)) - count
	return nil
}

// arrived returns the ids of the messages that came in since, and leaves those in open that stood there before.
func (im *importer) arrived(ctx context.Context, open map[string]int64, newest int64) (ids []int64, err error) {
	for len(open) > 0 {
		params := ListParams{Queue: im.params.Queue, After: newest, Limit: importChunk, Brief: true}
		entries, err := im.manager.store.List(ctx, params)
		if err != nil {
			return nil, fmt.Errorf("list what was added: %w", err)
		}
		for _, entry := range entries {
			if _, ok := open[entry.MessageID]; ok {
				ids = append(ids, entry.ID)
				delete(open, entry.MessageID)
			}
			newest = entry.ID
		}
		if len(entries) < importChunk {
			break
		}
	}
	return ids, nil
}

// redrive moves the entries with these ids to their topic, and those of open that stand where they stood when they were
// exported.
func (im *importer) redrive(ctx context.Context, ids []int64, open map[string]int64) (moved int64, err error) {
	for message, id := range open {
		if id <= 0 {
			continue
		}
		entries, err := im.manager.store.List(ctx, ListParams{Queue: im.params.Queue, IDs: []int64{id}, Limit: 1, Brief: true})
		if err != nil {
			return 0, fmt.Errorf("look up entry %d: %w", id, err)
		}
		if len(entries) == 1 && entries[0].MessageID == message {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return 0, nil
	}
	slices.Sort(ids)
	redriven, err := im.manager.store.Redrive(ctx, RedriveParams{Queue: im.params.Queue, Selection: Selection{IDs: ids}})
	if err != nil {
		return 0, fmt.Errorf("move what was added: %w", err)
	}
	return redriven.Moved, nil
}
