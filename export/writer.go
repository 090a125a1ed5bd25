package export

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/redrive-go/redrive/dlq"
)

// ErrCount is returned by Write when there are more or fewer entries than were announced.
var ErrCount = errors.New("number of entries differs from the count announced")

// writeBuffer is how many bytes Write gathers before it hands them on.
const writeBuffer = 64 << 10

// Write writes entries to w as one JSON object:
//
//	{"queue":"events","exported_at":"2026-01-02T03:04:05Z","count":1,"entries":[entry]}
//
// An entry looks as dlq.Entry.AppendJSON writes it: its payload stands in it byte for byte where it is JSON, and as
// "payload_base64" where it is not. No more than one entry is held in memory. Read reads it.
//
// count must be the number of entries; it comes before them, so it cannot be found out on the way. progress, when
// not nil, is called after each entry with the number written so far. Write returns the number of entries it wrote,
// and the first error of entries, of w, or ErrCount. After an error what w got is not a whole document. Write does
// not close w.
func Write(
	w io.Writer, queue string, at time.Time, count int64, entries iter.Seq2[dlq.Entry, error], progress func(int64),
) (int64, error) {
	head, err := documentHead(queue, at, count)
	if err != nil {
		return 0, fmt.Errorf("export: write %s: %w", queue, err)
	}
	shape := shape{head: head, between: ",", tail: "]}", appendEntry: dlq.Entry.AppendJSON}
	return shape.write(w, queue, count, entries, progress)
}

// WriteNDJSON writes entries to w, each on a line of its own, as dlq.Entry.AppendLine writes it. In all else it is as Write;
// queue is for errors only. Without entries it writes nothing.
func WriteNDJSON(
	w io.Writer, queue string, count int64, entries iter.Seq2[dlq.Entry, error], progress func(int64),
) (int64, error) {
	shape := shape{after: "\n", appendEntry: dlq.Entry.AppendLine}
	return shape.write(w, queue, count, entries, progress)
}

// shape is what a format puts around the entries, and how it writes them.
type shape struct {
	head                 []byte
	between, after, tail string
	appendEntry          func(entry dlq.Entry, dst []byte) ([]byte, error)
}

// documentHead is a JSON document up to its first entry.
func documentHead(queue string, at time.Time, count int64) ([]byte, error) {
	head, err := json.Marshal(struct {
		Queue      string    `json:"queue"`
		ExportedAt time.Time `json:"exported_at"`
		Count      int64     `json:"count"`
	}{queue, at.UTC(), count})
	if err != nil {
		return nil, err
	}
	return append(head[:len(head)-1], `,"entries":[`...), nil
}

// write writes the entries in this shape.
func (s *shape) write(
	w io.Writer, queue string, count int64, entries iter.Seq2[dlq.Entry, error], progress func(int64),
) (int64, error) {
	if progress == nil {
		progress = func(int64) {}
	}
	buffered := bufio.NewWriterSize(w, writeBuffer)
	if _, err := buffered.Write(s.head); err != nil {
		return 0, fmt.Errorf("export: write %s: %w", queue, err)
	}
	written, err := s.writeEntries(buffered, count, entries, progress)
	if err != nil {
		return written, fmt.Errorf("export: write %s: %w", queue, err)
	}
	_, err = buffered.WriteString(s.tail)
	if err = errors.Join(err, buffered.Flush()); err != nil {
		return written, fmt.Errorf("export: write %s: %w", queue, err)
	}
	return written, nil
}

// writeEntries writes the entries and what stands between and after them.
func (s *shape) writeEntries(
	w io.Writer, count int64, entries iter.Seq2[dlq.Entry, error], progress func(int64),
) (int64, error) {
	var written int64
	var line []byte // used again for each entry
	for entry, err := range entries {
		if err != nil {
			return written, fmt.Errorf("read entries: %w", err)
		}
		if written == count {
			return written, fmt.Errorf("%w: more than %d", ErrCount, count)
		}
		line = line[:0]
		if written > 0 {
			line = append(line, s.between...)
		}
		if line, err = s.appendEntry(entry, line); err != nil {
			return written, err
		}
		line = append(line, s.after...)
		if _, err = w.Write(line); err != nil {
			return written, err
		}
		written++
		progress(written)
	}
	if written < count {
		return written, fmt.Errorf("%w: %d of %d", ErrCount, written, count)
	}
	return written, nil
}
