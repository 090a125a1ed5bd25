package management

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"slices"
)

// object is the fields of a JSON object, undecoded.
type object map[string]json.RawMessage

// object reads the request's body: one JSON object, or nothing at all, which is as good as an empty one. Fields other
// than the known ones are refused by name.
func (c *call) object(known ...string) (object, error) {
	body, err := io.ReadAll(c.r.Body)
	if err != nil {
		return nil, bodyProblem(err)
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return object{}, nil
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

// decodeObject is stricter than json.Unmarshal: a name that stands twice could mean either of its values.
func decodeObject(body []byte) (object, error) {
	malformed := newMalformedProblem("The body must be one JSON object")
	decoder := json.NewDecoder(bytes.NewReader(body))
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return nil, malformed
	}
	fields := object{}
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return nil, malformed
		}
		name, _ := token.(string)
		if _, twice := fields[name]; twice {
			return nil, newMalformedProblem("Field '" + cutActor(name) + "' stands twice in the body")
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return nil, malformed
		}
		fields[name] = value
	}
	if _, err := decoder.Token(); err != nil {
		return nil, malformed
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, malformed
	}
	return fields, nil
}
