package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"
)

// filter says which entries a command is about: values by the names of criteria. All that is there has to apply; nothing is
// every entry.
type filter struct{ values url.Values }

// register defines the flags of a filter.
func (f *filter) register(flags *flag.FlagSet) {
	f.values = url.Values{}
	for _, c := range criteria {
		flags.Func(c.flag, c.about, func(text string) error { return f.add(&c, text) })
	}
}

// add takes over what a flag says.
func (f *filter) add(c *criterion, text string) error {
	values, err := c.parse(text)
	if err == nil {
		values, err = c.join(f.values[c.name], values)
	}
	if err == nil {
		f.values[c.name] = values
	}
	return err
}

// check refuses a filter that nothing can match.
func (f *filter) check(command string) error {
	from, to := f.moment("from"), f.moment("to")
	if !from.IsZero() && !to.IsZero() && !from.Before(to) {
		return newUsage(command, "-from must be before -to")
	}
	if least, most := f.values.Get("min_redrives"), f.values.Get("max_redrives"); most != "" && intOf(least) > intOf(most) {
		return newUsage(command, "-min-redrives must not be more than -max-redrives")
	}
	return nil
}

// moment is a bound of the filter; zero for none.
func (f *filter) moment(name string) time.Time {
	at, _ := time.Parse(time.RFC3339Nano, f.values.Get(name)) // whatever stands there was parsed before
	return at
}

// before is the filter without what came in at that time or later.
func (f *filter) before(at time.Time) *filter {
	narrower := filter{maps.Clone(f.values)}
	if to := f.moment("to"); to.IsZero() || at.Before(to) {
		narrower.values["to"] = []string{at.UTC().Format(time.RFC3339Nano)}
	}
	return &narrower
}

// empty is whether every entry is meant.
func (f *filter) empty() bool { return len(f.values) == 0 }

// query is the filter as parameters of a URL.
func (f *filter) query() url.Values {
	query := url.Values{}
	maps.Copy(query, f.values)
	return query
}

// fields is the filter as fields of a body.
func (f *filter) fields() map[string]any {
	fields := map[string]any{}
	for _, c := range criteria {
		if values, ok := f.values[c.name]; ok {
			fields[c.field()] = c.encode(values)
		}
	}
	return fields
}

// readFilter reads a filter as the server tells it; nothing is every entry. What this program does not know is an error: the
// filter would mean other entries without it.
func readFilter(raw json.RawMessage) (*filter, error) {
	f, fields := &filter{url.Values{}}, map[string]json.RawMessage{}
	if len(raw) == 0 {
		return f, nil
	}
	if err := json.Unmarshal(raw, &fields); err != nil {
		return nil, err
	}
	for _, c := range criteria {
		value, ok := fields[c.field()]
		if !ok {
			continue
		}
		values, err := c.decode(value)
		if err != nil {
			return nil, fmt.Errorf("criterion %s: %w", c.field(), err)
		}
		f.values[c.name] = values
		delete(fields, c.field())
	}
	for name := range fields {
		return nil, fmt.Errorf("criterion %s is not known", name)
	}
	return f, nil
}

// concealed is whether the server may have put "hidden" in the place of what somebody looked for in payloads: it does for those who
// do not see these.
func (f *filter) concealed() bool {
	const hidden = "hidden"
	return f.values.Get("q") == hidden || f.values.Get("action") == hidden ||
		slices.ContainsFunc(f.values["attribute"], func(pair string) bool { return strings.HasSuffix(pair, "="+hidden) })
}

// flags is the filter as words of a command line.
func (f *filter) flags() []string {
	var words []string
	for _, c := range criteria {
		for _, value := range f.values[c.name] {
			words = append(words, "-"+c.flag, value)
		}
	}
	return words
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
