package main

import (
	"errors"
	"flag"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// filter says which entries a command is about. All that is set has to apply; nothing set is every entry.
type filter struct {
	texts      []textFilter
	attributes []attribute
	from, to   time.Time
}

// textFilter is one that is a text, under its name on the wire.
type textFilter struct{ name, value string }

// attribute is a value that an entry's payload has to have at a path.
type attribute struct{ path, value string }

// textFilters are the names on the wire of the filters that are texts, their flags, and what they select.
var textFilters = []struct{ name, flag, about string }{
	{"correlation_id", "correlation-id", "entries of the event with this `id`"},
	{"error", "error", "entries with this `text` in their error"},
	{"signature", "signature", "entries with this `cause`, as redrive errors names it"},
	{"q", "q", "entries with this `text` anywhere"},
	{"action", "action", "entries whose event has this `action`"},
}

// register defines the flags of a filter.
func (f *filter) register(flags *flag.FlagSet) {
	for _, t := range textFilters {
		flags.Func(t.flag, t.about, func(value string) error { return f.setText(t.name, value) })
	}
	flags.Func("attribute", "entries with that value at that path of their payload, `path=value`,\nsuch as data.shop=berlin; repeatable", f.setAttribute)
	flags.Func("from", "entries that came in at this `time` or later: RFC 3339, or how long ago, such as 2h", moment(&f.from))
	flags.Func("to", "entries that came in before this `time`: RFC 3339, or how long ago, such as 30m", moment(&f.to))
}

// setText refuses an empty text, which would select everything: a script's variable may be unset.
func (f *filter) setText(name, value string) error {
	if value == "" {
		return errors.New("it is empty")
	}
	for _, t := range f.texts {
		if t.name == name {
			return errors.New("it is there twice")
		}
	}
	f.texts = append(f.texts, textFilter{name, value})
	return nil
}

func (f *filter) setAttribute(pair string) error {
	path, value, ok := strings.Cut(pair, "=")
	if !ok || path == "" {
		return errors.New("it must be path=value")
	}
	for _, a := range f.attributes {
		if a.path == path {
			return fmt.Errorf("%s is there twice", path)
		}
	}
	f.attributes = append(f.attributes, attribute{path, value})
	return nil
}

// moment parses a time, or a duration before now.
func moment(into *time.Time) func(string) error {
	return func(text string) (err error) {
		if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
			*into = time.Now().Add(-ago).UTC()
			return nil
		}
		if *into, err = time.Parse(time.RFC3339, text); err != nil {
			return errors.New("it must be such as 2006-01-02T15:04:05Z, or how long ago, such as 2h or 90m")
		}
		*into = into.UTC()
		return nil
	}
}

// check refuses a filter that nothing can match.
func (f *filter) check(command string) error {
	if !f.from.IsZero() && !f.to.IsZero() && !f.from.Before(f.to) {
		return newUsage(command, "-from must be before -to")
	}
	return nil
}

// empty is whether every entry is meant.
func (f *filter) empty() bool {
	return len(f.texts) == 0 && len(f.attributes) == 0 && f.from.IsZero() && f.to.IsZero()
}

// query is the filter as parameters of a URL.
func (f *filter) query() url.Values {
	query := url.Values{}
	for _, t := range f.texts {
		query.Set(t.name, t.value)
	}
	for _, a := range f.attributes {
		query.Add("attribute", a.path+"="+a.value)
	}
	for name, at := range f.bounds() {
		query.Set(name, at)
	}
	return query
}

// fields is the filter as fields of a body.
func (f *filter) fields() map[string]any {
	fields := map[string]any{}
	for _, t := range f.texts {
		fields[t.name] = t.value
	}
	if len(f.attributes) > 0 {
		values := map[string]string{}
		for _, a := range f.attributes {
			values[a.path] = a.value
		}
		fields["attributes"] = values
	}
	for name, at := range f.bounds() {
		fields[name] = at
	}
	return fields
}

func (f *filter) bounds() map[string]string {
	bounds := map[string]string{}
	for name, at := range map[string]time.Time{"from": f.from, "to": f.to} {
		if !at.IsZero() {
			bounds[name] = at.Format(time.RFC3339Nano)
		}
	}
	return bounds
}

// entries says how many there are that the filter leaves.
func (f *filter) entries(n int64) string {
	count, noun := number(n), "entries"
	switch n {
	case 0:
		count = "no"
	case 1:
		noun = "entry"
	}
	if f.empty() {
		return count + " " + noun
	}
	return count + " matching " + noun
}
