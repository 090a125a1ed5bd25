package dlq

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// IDs name entries of a DLQ. In JSON they are texts, as the id of an entry is: not every program has integers that large.
type IDs []int64

// MarshalJSON writes an array of texts.
func (ids IDs) MarshalJSON() ([]byte, error) {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = strconv.FormatInt(id, 10)
	}
	return json.Marshal(texts)
}

// UnmarshalJSON reads what MarshalJSON wrote. What is no number is an error.
func (ids *IDs) UnmarshalJSON(text []byte) error {
	var texts []string
	if err := json.Unmarshal(text, &texts); err != nil {
		return err
	}
	read := make(IDs, len(texts))
	for i, t := range texts {
		var err error
		if read[i], err = strconv.ParseInt(t, 10, 64); err != nil {
			return fmt.Errorf("dlq: id %q is no number", t)
		}
	}
	*ids = read
	return nil
}
