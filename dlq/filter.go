package dlq

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// Limits of a Filter.
const (
	// MaxFilterText is the longest text that a Filter looks for, in bytes.
	MaxFilterText = 1024
	// MaxAttributes is the largest number of attributes that a Filter compares.
	MaxAttributes = 16
	// MaxIDs is the largest number of entries that a Filter names: those of a page.
	MaxIDs = MaxPage
)

// Filter says which entries of a DLQ are meant: those to which everything applies that is set. The zero value means all of them.
//
// IDs, UpTo, CorrelationID, Signature, From and To are looked up. For what else is set, entries are read one after the other.
type Filter struct {
	// IDs are the entries themselves, in any order, as somebody selected them. Those that are not there (any more) are passed over.
	IDs IDs `json:"ids,omitempty"`
	// UpTo, when not 0, is the largest id: with that of Count, a filter means no more than what was counted. In JSON it is a text.
	UpTo int64 `json:"up_to,omitzero,string"`
	// CorrelationID is the event that the entry belongs to.
	CorrelationID string `json:"correlation_id,omitempty"`
	// Signature is the cause of the failure, as Failure.Signature and Group name it.
	Signature string `json:"signature,omitempty"`
	// From and To bound CreatedAt: not before From, and before To.
	From time.Time `json:"from,omitzero"`
	To   time.Time `json:"to,omitzero"`
	// Error is a part of the failure's type or message, in any case.
	Error string `json:"error,omitempty"`
	// Text is a part of the payload, the correlation id, or the failure's type or message, in any case.
	Text string `json:"q,omitempty"`
	// Action is the member "action" of a payload that is a JSON object.
	Action string `json:"action,omitempty"`
	// Job is the retry job that moved the message back before it came in: which of those that it moved came back.
	Job string `json:"job,omitempty"`
	// MinRedrives and MaxRedrives, when not nil, bound how often the message was moved back before, both included. A retry job with a
	// MaxRedrives leaves alone what has gone round often enough.
	MinRedrives *int `json:"min_redrives,omitempty"`
	MaxRedrives *int `json:"max_redrives,omitempty"`
	// Attributes are values in a payload that is JSON, by their path: names and indexes joined with dots, such as
	// "data.items.0.sku". A dot or backslash within a name has a backslash before it. A string is compared as it is, and
	// anything else as it stands in the payload.
	Attributes map[string]string `json:"attributes,omitempty"`
}

// Validate returns every fault, joined, each naming its field and limit. No text may have NUL in it, or bytes that are not UTF-8: not
// every store could look for it.
func (f *Filter) Validate() error {
	faults := []error{
		validText("correlation_id", f.CorrelationID), validText("signature", f.Signature), validText("error", f.Error),
		validText("q", f.Text), validText("action", f.Action), validText("job", f.Job), f.validIDs(), f.validAttributes(),
	}
	if !f.From.IsZero() && !f.To.IsZero() && !f.From.Before(f.To) {
		faults = append(faults, errors.New("from must be before to"))
	}
	return errors.Join(faults...)
}

// validText returns the fault of a text, nil where it has none.
func validText(name, text string) error {
	switch {
	case len(text) > MaxFilterText:
		return fmt.Errorf("%s must have at most %d bytes, not %d", name, MaxFilterText, len(text))
	case strings.IndexByte(text, 0) >= 0 || !utf8.ValidString(text):
		return fmt.Errorf("%s must be UTF-8 without NUL", name)
	}
	return nil
}

func (f *Filter) validIDs() error {
	switch {
	case len(f.IDs) > MaxIDs:
		return fmt.Errorf("ids must be at most %d, not %d", MaxIDs, len(f.IDs))
	case len(f.IDs) > 0 && slices.Min(f.IDs) < 1:
		return fmt.Errorf("ids must be positive, not %d", slices.Min(f.IDs))
	case f.UpTo < 0:
		return fmt.Errorf("up_to must be positive, not %d", f.UpTo)
	}
	return nil
}

func (f *Filter) validAttributes() error {
	var faults []error
	if len(f.Attributes) > MaxAttributes {
		faults = append(faults, fmt.Errorf("attributes must be at most %d, not %d", MaxAttributes, len(f.Attributes)))
	}
	for path, value := range f.Attributes {
		if path == "" {
			faults = append(faults, errors.New("an attribute's path must not be empty"))
		}
		faults = append(faults, validText("an attribute's path", path), validText("an attribute's value", value))
	}
	return errors.Join(faults...)
}

// IsZero is whether the filter means all entries.
func (f *Filter) IsZero() bool { return f.UpTo == 0 && f.isBound() }

// isBound is whether the filter means all entries, or all up to an id.
func (f *Filter) isBound() bool {
	return f.isLookup() && len(f.IDs) == 0 && f.CorrelationID == "" && f.Signature == "" && f.From.IsZero() && f.To.IsZero()
}

// isLookup is whether a store finds what is meant without reading anything else.
func (f *Filter) isLookup() bool {
	return f.isCountable() && f.Job == "" && f.MinRedrives == nil && f.MaxRedrives == nil
}

// isCountable is whether a store can count what is meant.
func (f *Filter) isCountable() bool { return f.Error == "" && !f.ReadsPayloads() }

// ReadsPayloads is whether the answer to the filter tells something of what payloads hold.
func (f *Filter) ReadsPayloads() bool { return f.Text != "" || f.Action != "" || len(f.Attributes) > 0 }

// Criteria is the filter as text, which ParseCriteria reads; "" for the zero value.
func (f *Filter) Criteria() (string, error) {
	if f.IsZero() {
		return "", nil
	}
	text, err := json.Marshal(f)
	if err != nil {
		return "", fmt.Errorf("dlq: encode a filter: %w", err)
	}
	return string(text), nil
}

// ParseCriteria returns the filter that Criteria wrote. A field that is not known is an error: it would mean other entries.
func ParseCriteria(text string) (f Filter, err error) {
	if text == "" {
		return f, nil
	}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	if err = decoder.Decode(&f); err != nil {
		return f, fmt.Errorf("dlq: read a filter: %w", err)
	}
	return f, nil
}

// matcher is a filter made ready to read entries.
type matcher struct {
	filter      *Filter
	error, text string // in lower case
	attributes  []attribute
}

// attribute is a value that a payload must have.
type attribute struct{ path, value string }

func newMatcher(f *Filter) *matcher {
	m := &matcher{filter: f, error: strings.ToLower(f.Error), text: strings.ToLower(f.Text)}
	if f.Action != "" {
		m.attributes = append(m.attributes, attribute{"action", f.Action})
	}
	for _, path := range slices.Sorted(maps.Keys(f.Attributes)) {
		m.attributes = append(m.attributes, attribute{plainPath(path), f.Attributes[path]})
	}
	return m
}

// matches is whether an entry that was looked up is meant, the cheapest comparisons first.
func (m *matcher) matches(e *Entry) bool {
	return (m.filter.Job == "" || m.filter.Job == e.Job) &&
		(m.filter.MinRedrives == nil || e.Redrives >= *m.filter.MinRedrives) &&
		(m.filter.MaxRedrives == nil || e.Redrives <= *m.filter.MaxRedrives) &&
		(m.error == "" || m.inFailure(e, m.error)) &&
		(m.text == "" || m.inFailure(e, m.text) || contains(e.CorrelationID, m.text) ||
			bytes.Contains(bytes.ToLower(e.Payload), []byte(m.text))) &&
		m.hasAttributes(e.Payload)
}

// Select passes on those of entries that the filter means, and the error that ends them.
func (f *Filter) Select(entries iter.Seq2[Entry, error]) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		m, lookup := newMatcher(f), f.lookup()
		for entry, err := range entries {
			meant := err != nil || lookup.Meets(&entry, entry.Failure.Signature) && m.matches(&entry)
			if meant && !yield(entry, err) {
				return
			}
		}
	}
}

// lookup is what of the filter a store looks up.
func (f *Filter) lookup() ListParams {
	ids := slices.Compact(slices.Sorted(slices.Values(f.IDs)))
	return ListParams{IDs: ids, UpTo: f.UpTo, CorrelationID: f.CorrelationID, Signature: f.Signature, From: f.From, To: f.To}
}

func (m *matcher) inFailure(e *Entry, text string) bool {
	return contains(e.Failure.Message, text) || contains(e.Failure.Type, text)
}

func contains(s, lower string) bool { return strings.Contains(strings.ToLower(s), lower) }

// hasAttributes compares values in the payload. What a payload that is not JSON seems to hold does not count.
func (m *matcher) hasAttributes(payload []byte) bool {
	for _, a := range m.attributes {
		if found := gjson.GetBytes(payload, a.path); !found.Exists() || valueOf(found) != a.value {
			return false
		}
	}
	return len(m.attributes) == 0 || json.Valid(payload) // gjson's own check recurses as deep as the payload is nested
}

// valueOf is a string as it is, and anything else as it was written: numbers are not rounded.
func valueOf(r gjson.Result) string {
	if r.Type == gjson.String {
		return r.Str
	}
	return r.Raw
}

// plainPath takes from a path what else has a meaning to gjson: wildcards, queries, modifiers, pipes.
func plainPath(path string) string {
	var plain strings.Builder
	for i := 0; i < len(path); i++ {
		switch c := path[i]; {
		case c == '\\' && i+1 < len(path):
			i++
			plain.WriteByte('\\')
			plain.WriteByte(path[i])
		case c != '.' && strings.IndexByte(`*?|#@!{}[]()=<>%"+\:`, c) >= 0:
			plain.WriteByte('\\')
			plain.WriteByte(c)
		default:
			plain.WriteByte(c)
		}
	}
	return plain.String()
}
