package export

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/redrive-go/redrive/dlq"
)

// MaxEntryBytes is how large an entry may be that Read reads, in bytes of the file.
const MaxEntryBytes = 64 << 20

const (
	// readBuffer is how many bytes Read reads at a time.
	readBuffer = 64 << 10
	// detectBytes is how much of a file Read looks at to tell its format. The names of queues are shorter.
	detectBytes = 4 << 10
)

// errEntryTooLarge is an entry above MaxEntryBytes.
var errEntryTooLarge = fmt.Errorf("larger than %d MiB", MaxEntryBytes>>20)

// FileError is yielded by Read for a file that is none of its formats, or damaged.
type FileError struct {
	// Entry is the place of the entry that could not be read, from 1; after the last one, where the file does not end as it should.
	Entry int64
	// Line is the line of an NDJSON file, from 1; 0 for a JSON file, which need not have any.
	Line int64
	// Err is what is wrong with it.
	Err error
}

// Error says where the file is damaged, and what is wrong with it.
func (e *FileError) Error() string {
	if e.Line > 0 {
		return fmt.Sprintf("entry %d, on line %d, cannot be read: %v", e.Entry, e.Line, e.Err)
	}
	return fmt.Sprintf("entry %d cannot be read: %v", e.Entry, e.Err)
}

// Unwrap returns Err.
func (e *FileError) Unwrap() error { return e.Err }

// Read returns the entries of a file that Write or WriteNDJSON wrote, or of a part of one: an NDJSON file with some of the lines,
// or a JSON file with some of the entries. Which of the two it is, Read sees by how the file begins. Payloads come back byte for
// byte, and everything else that the file has.
//
// Read is strict: whatever Write does not write ends the sequence with a *FileError, which says where it stands, and so
// does a JSON file that is cut off. That lines are missing at the end of an NDJSON file cannot be told. An error of r ends
// the sequence too, wrapped. The sequence can be ranged over once. It holds one entry, of MaxEntryBytes at most.
func Read(r io.Reader) iter.Seq2[dlq.Entry, error] {
	return func(yield func(dlq.Entry, error) bool) {
		next := newSource(r)
		for {
			entry, err := next()
			if errors.Is(err, io.EOF) || !yield(entry, err) || err != nil {
				return
			}
		}
	}
}

// newSource returns a function that reads the next entry of a file, or returns io.EOF.
func newSource(r io.Reader) func() (dlq.Entry, error) {
	ration := &ration{from: r}
	ration.refill()
	buffered := bufio.NewReaderSize(ration, readBuffer)
	start, _ := buffered.Peek(detectBytes) // an error comes again when it is read
	if isDocument(start) {
		document := &document{dec: jsontext.NewDecoder(buffered, asWritten), ration: ration}
		return document.next
	}
	lines := &lines{from: buffered, ration: ration}
	return lines.next
}

// isDocument is whether a file begins as a JSON document rather than as an entry. Both have a queue.
func isDocument(start []byte) bool {
	dec := jsontext.NewDecoder(bytes.NewReader(start), asWritten)
	if token, err := dec.ReadToken(); err != nil || token.Kind() != '{' {
		return false
	}
	for {
		name, err := dec.ReadToken()
		if err != nil {
			return false
		}
		switch name.String() {
		case "exported_at", "count", "entries":
			return true
		case "queue":
			if dec.SkipValue() != nil {
				return false
			}
		default:
			return false
		}
	}
}

// ration bounds how much is read for one entry, and keeps what went wrong with the reading itself.
type ration struct {
	from io.Reader
	left int
	err  error
}

// refill makes room for another entry. What was read ahead of it counted for the one before.
func (r *ration) refill() { r.left = MaxEntryBytes }

// Read reads what the ration allows.
func (r *ration) Read(b []byte) (int, error) {
	if r.left == 0 {
		return 0, errEntryTooLarge
	}
	n, err := r.from.Read(b[:min(len(b), r.left)])
	r.left -= n
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}

// fault is what Read yields for an error while an entry was read: the reader's own, or the file's.
func (r *ration) fault(entry, line int64, err error) error {
	if r.err != nil {
		return fmt.Errorf("export: read entry %d: %w", entry, r.err)
	}
	if errors.Is(err, errEntryTooLarge) {
		err = errEntryTooLarge
	}
	return newFileError(entry, line, err)
}

// newFileError leaves out of a syntax error where in a payload it stands: people who may not see that read it.
func newFileError(entry, line int64, err error) *FileError {
	if syntax, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		err = syntax.Err
	}
	return &FileError{Entry: entry, Line: line, Err: err}
}

// lines reads NDJSON.
type lines struct {
	from    *bufio.Reader
	ration  *ration
	entries int64
	number  int64
}

// next returns the next entry. Empty lines are none.
func (l *lines) next() (dlq.Entry, error) {
	for {
		l.ration.refill()
		line, err := l.from.ReadBytes('\n')
		l.number++
		if err != nil && !errors.Is(err, io.EOF) {
			return dlq.Entry{}, l.ration.fault(l.entries+1, l.number, err)
		}
		if line = bytes.Trim(line, whiteSpace); len(line) > 0 {
			return l.parse(line)
		}
		if err != nil {
			return dlq.Entry{}, io.EOF
		}
	}
}

func (l *lines) parse(line []byte) (dlq.Entry, error) {
	l.entries++
	entry, err := parseEntry(line)
	if err != nil {
		return dlq.Entry{}, newFileError(l.entries, l.number, err)
	}
	return entry, nil
}
