package sqlstore

import (
	"errors"
	"fmt"
	"hash/fnv"
	"regexp"
	"strings"
)

// DefaultTablePrefix is what the names of tables begin with where nothing else is wanted.
const DefaultTablePrefix = "redrive_"

var goodPrefix = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,29}$`)

// Names is where the tables are.
type Names struct {
	// Schema is the schema or database; empty for the connection's own.
	Schema string
	// Prefix is what the names of tables begin with.
	Prefix string
	// Quote makes an identifier of the schema's name.
	Quote func(string) string
}

// NewNames returns the names that a backend's Config asks for, or every fault. longest is how many bytes the name of a
// schema may have.
func NewNames(schema, prefix string, longest int, quote func(string) string) (Names, error) {
	var faults []error
	if prefix == "" {
		prefix = DefaultTablePrefix
	}
	if !goodPrefix.MatchString(prefix) {
		faults = append(faults, fmt.Errorf(
			"TablePrefix must be 1 to 30 lower-case letters, digits and underscores, not %q", prefix))
	}
	if len(schema) > longest {
		faults = append(faults, fmt.Errorf("Schema must have at most %d bytes, not %d", longest, len(schema)))
	}
	if strings.ContainsFunc(schema, func(r rune) bool { return r < ' ' || strings.ContainsRune("{}?;", r) }) {
		faults = append(faults, fmt.Errorf("Schema must not contain control characters or any of {}?;, as %q does", schema))
	}
	return Names{schema, prefix, quote}, errors.Join(faults...)
}

// In puts the names into a script: {p} is the prefix of names, {s} what names the schema before them.
func (n Names) In(script string) string {
	schema := ""
	if n.Schema != "" {
		schema = n.Quote(n.Schema) + "."
	}
	return strings.NewReplacer("{s}", schema, "{p}", n.Prefix).Replace(script)
}

// Table is the full name of a table.
func (n Names) Table(name string) string { return n.In("{s}{p}" + name) }

// Hash is a number for what belongs to these tables, the same for all that share them.
func (n Names) Hash(what string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(what + " " + n.Schema + "." + n.Prefix))
	return h.Sum64()
}
