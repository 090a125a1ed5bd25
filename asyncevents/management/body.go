package management

import (
	"bytes"
	"io"
	"maps"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// object is the fields of a JSON object, undecoded.
type object map[string]jsontext.Value

// object reads the request's body: one JSON object, or nothing at all, which is as good as an empty one. Fields other
// than the known ones are refused by name.
func (c *call) object(known ...string) (object, error) {
	body, err := io.ReadAll(c.r.Body)
	if err != nil {
		return nil, bodyProblem(err)
	}
	fields, err := decodeObject(body)
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if !slices.Contains(known, name) {
			return nil, newUnsupportedProblem("Field", name)
		}
	}
	return fields, nil
}

// decodeObject is strict: a name that stands twice could mean either of its values, and null is no object.
func decodeObject(body []byte) (object, error) {
	fields := object{}
	if len(bytes.TrimSpace(body)) == 0 {
		return fields, nil
	}
	if err := json.Unmarshal(body, &fields); err != nil || fields == nil {
		return nil, newMalformedProblem("The body must be one JSON object in which no name stands twice")
	}
	return fields, nil
}
