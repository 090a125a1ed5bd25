package main

import "encoding/json"

// itemList is how a list that comes in one answer is shown.
type itemList[T any] struct {
	// field is the answer's that has the items.
	field string
	// nothing is what is said of an empty list; "" has an empty table shown.
	nothing string
	header  []string
	row     func(item *T) []string
}

// show shows the list, and returns how many rows its table has.
func (l *itemList[T]) show(s *session, raw json.RawMessage) (int, error) {
	answer, err := decode[map[string]json.RawMessage](raw)
	if err != nil {
		return 0, err
	}
	var items []json.RawMessage
	if list, ok := answer[l.field]; ok {
		if items, err = decode[[]json.RawMessage](list); err != nil {
			return 0, err
		}
	}
	switch {
	case len(items) == 0 && l.nothing != "":
		return 0, newNothing(l.nothing)
	case s.json():
		return 0, s.printItems(items)
	}
	decoded, err := decodeAll[T](items)
	if err != nil {
		return 0, err
	}
	var rows [][]string
	for i := range decoded {
		rows = append(rows, l.row(&decoded[i]))
	}
	s.table(l.header, rows)
	return len(rows), nil
}
