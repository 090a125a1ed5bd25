package export

import (
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/redrive-go/redrive/dlq"
)

var (
	errNotAnObject = errors.New("not a JSON object")
	errTwice       = errors.New("stands twice")
	errUnknown     = errors.New("is unknown")
	errNoEntries   = errors.New("there is no list of entries")
	errMore        = errors.New("something follows the end of the document")
)

// document reads a JSON file.
type document struct {
	dec     *jsontext.Decoder
	ration  *ration
	entries int64
	// begun is whether the document's brace is read, listed whether its list of entries was met, inside whether what comes
	// next is in that.
	begun, listed, inside bool
}

// next returns the next entry, or io.EOF after the end of the document.
func (d *document) next() (dlq.Entry, error) {
	d.ration.refill()
	entry, err := d.read()
	if err != nil && !errors.Is(err, errEnd) {
		return dlq.Entry{}, d.ration.fault(d.entries+1, 0, err)
	}
	if err != nil {
		return dlq.Entry{}, io.EOF
	}
	d.entries++
	return entry, nil
}

// errEnd is the end of a document that is whole. io.EOF is what the decoder returns of one that is not.
var errEnd = errors.New("end of the document")

func (d *document) read() (dlq.Entry, error) {
	if !d.inside {
		if err := d.enter(); err != nil {
			return dlq.Entry{}, err
		}
	}
	if d.dec.PeekKind() == ']' {
		d.inside = false
		if _, err := d.dec.ReadToken(); err != nil {
			return dlq.Entry{}, err
		}
		return dlq.Entry{}, d.members() // never nil: there is no second list
	}
	raw, err := d.dec.ReadValue()
	if err != nil {
		return dlq.Entry{}, err
	}
	return parseEntry(raw)
}

// enter reads up to the first entry.
func (d *document) enter() error {
	if !d.begun {
		d.begun = true
		if err := expect(d.dec, '{', errNotAnObject); err != nil {
			return err
		}
	}
	return d.members()
}

// members reads members of the document until it stands in its list of entries. After that list it returns errEnd at the end
// of the file.
func (d *document) members() error {
	for {
		name, err := d.dec.ReadToken()
		if err != nil {
			return err
		}
		if name.Kind() == '}' {
			return d.end()
		}
		switch text := name.String(); text {
		case "queue", "exported_at", "count":
			err = d.dec.SkipValue()
		case "entries":
			if d.listed {
				return fmt.Errorf("%q %w", text, errTwice)
			}
			d.listed, d.inside = true, true
			return expect(d.dec, '[', errNoEntries)
		default:
			return fmt.Errorf("%.64q %w", text, errUnknown)
		}
		if err != nil {
			return err
		}
	}
}

// end is reached with the document's closing brace.
func (d *document) end() error {
	if !d.listed {
		return errNoEntries
	}
	switch _, err := d.dec.ReadToken(); {
	case errors.Is(err, io.EOF):
		return errEnd
	case d.ration.err != nil:
		return err
	}
	return errMore
}

// expect reads a token of a kind, or returns otherwise.
func expect(dec *jsontext.Decoder, kind jsontext.Kind, otherwise error) error {
	token, err := dec.ReadToken()
	if err == nil && token.Kind() != kind {
		err = otherwise
	}
	return err
}
