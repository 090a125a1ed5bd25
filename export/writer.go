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

// FormatJSON is the format that Write writes: one JSON object.
const FormatJSON = "json"

// ErrCount is returned by Write when there are more or fewer entries than were announced.
var ErrCount = errors.New("number of entries differs from the count announced")

// writeBuffer is how many bytes Write gathers before it hands them on.
const writeBuffer = 64 << 10

// Write writes entries to w as one JSON object:
//
//	{"queue":"events","exported_at":"2026-01-02T03:04:05Z","count":1,"entries":[entry]}
//
// An entry looks as dlq.Entry.AppendJSON writes it: its payload stands in it byte for byte where it is JSON, and as
// "payload_base64" where it is not. No more than one entry is held in memory.
//
// count must be the number of entries; it comes before them, so it cannot be found out on the way. progress, when
// not nil, is called after each entry with the number written so far. Write returns the number of entries it wrote,
// and the first error of entries, of w, or ErrCount. After an error what w got is not a whole document. Write does
// not close w.
func Write(
	w io.Writer, queue string, at time.Time, count int64, entries iter.Seq2[dlq.Entry, error], progress func(int64),
) (int64, error) {
	if progress == nil {
		progress = func(int64) {}
	}
	buffered := bufio.NewWriterSize(w, writeBuffer)
	if err := writeHead(buffered, queue, at, count); err != nil {
		return 0, fmt.Errorf("export: write %s: %w", queue, err)
	}
	written, err := writeEntries(buffered, count, entries, progress)
	if err != nil {
		return written, fmt.Errorf("export: write %s: %w", queue, err)
	}
	_, err = buffered.WriteString("]}")
	if err = errors.Join(err, buffered.Flush()); err != nil {
		return written, fmt.Errorf("export: write %s: %w", queue, err)
	}
	return written, nil
}

// writeHead writes the document up to its first entry.
func writeHead(w io.Writer, queue string, at time.Time, count int64) error {
	head, err := json.Marshal(struct {
		Queue      string    `json:"queue"`
		ExportedAt time.Time `json:"exported_at"`
		Count      int64     `json:"count"`
	}{queue, at.UTC(), count})
	if err != nil {
		return err
	}
	_, err = w.Write(append(head[:len(head)-1], `,"entries":[`...))
	return err
}

// writeEntries writes the entries with commas in between.
func writeEntries(
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
			line = append(line, ',')
		}
		if line, err = entry.AppendJSON(line); err != nil {
			return written, err
		}
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
