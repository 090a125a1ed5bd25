package sqlstore

import (
	"strconv"
	"strings"
	"sync"
)

// Words turns the shared statements into a database's own.
type Words struct {
	// Table returns the full name of a table, quoted as need be. Nil leaves names as they are.
	Table func(name string) string
	// Now is the database's clock in microseconds since 1970, the same throughout a statement.
	Now string
	// Lock is what a SELECT ends with to hold its rows until the transaction ends.
	Lock string
	// InsertNew begins an INSERT that passes over rows whose key exists, IfNew ends it.
	InsertNew, IfNew string
	// Hints stand in statements for planners that would read another index: "by key", "by event" and "by cause" behind the table's
	// name, and "by moves" where all causes are gone through; "of event" and "of cause" for the condition itself, with the parameters
	// of the usual one.
	Hints map[string]string
	// Numbered is whether parameters are written as $1, $2 rather than as question marks.
	Numbered bool

	known sync.Map
}

// maxKnown is the length of the longest statement that is remembered. Those with a place for each value of many rows are
// longer, and there may be one for every number of rows.
const maxKnown = 4096

// Of returns a statement in the database's words.
func (w *Words) Of(query string) string {
	if len(query) > maxKnown {
		return w.translate(query)
	}
	if text, ok := w.known.Load(query); ok {
		return text.(string)
	}
	text := w.translate(query)
	w.known.Store(query, text)
	return text
}

func (w *Words) translate(query string) string {
	var b strings.Builder
	parameters := 0
	special := "{"
	if w.Numbered {
		special = "{?"
	}
	for query != "" {
		at := strings.IndexAny(query, special)
		if at < 0 {
			break
		}
		b.WriteString(query[:at])
		if query[at] == '?' {
			parameters++
			b.WriteString("$" + strconv.Itoa(parameters))
			query = query[at+1:]
			continue
		}
		end := at + strings.IndexByte(query[at:], '}')
		name := query[at+1 : end]
		query = query[end+1:]
		if condition, ok := w.condition(name); ok {
			query = condition + query // it has parameters
			continue
		}
		b.WriteString(w.word(name))
	}
	b.WriteString(query)
	return b.String()
}

// conditions are those for entries of one event or of one cause, between two ids.
var conditions = map[string]string{
	"of event": "correlation_id = ? AND id > ? AND correlation_id = ? AND id <= ?",
	"of cause": "signature = ? AND id > ? AND signature = ? AND id <= ?",
}

func (w *Words) condition(name string) (condition string, ok bool) {
	if own, ok := w.Hints[name]; ok && conditions[name] != "" {
		return own, true
	}
	condition, ok = conditions[name]
	return condition, ok
}

func (w *Words) word(name string) string {
	switch name {
	case "now":
		return w.Now
	case "lock":
		return w.Lock
	case "insert new":
		return w.InsertNew
	case "if new":
		return w.IfNew
	}
	if strings.HasPrefix(name, "by ") {
		return w.Hints[name]
	}
	if w.Table == nil {
		return name
	}
	return w.Table(name)
}
