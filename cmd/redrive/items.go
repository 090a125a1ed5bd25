package main

import "encoding/json"

// itemList is how a list that comes in one answer is shown.
type itemList[T any] struct {
	// field is the answer's that has the items.
	field string
	// nothing is what is said of an empty list; "" has nothing said.
	nothing string
	header  []string
	row     func(item *T) []string
}

// show shows the list, and returns how many items it has.
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
	}
	return len(items), printPage(s, items, true, l.header, l.row)
}

// printPage prints the items of a page, below a header when it is the first one. No items are nothing at all.
func printPage[T any](s *session, items []json.RawMessage, first bool, header []string, row func(item *T) []string) error {
	switch {
	case s.json():
		return s.printItems(items)
	case len(items) == 0:
		return nil
	}
	decoded, err := decodeAll[T](items)
	if err != nil {
		return err
	}
	if !first {
		header = nil
	}
	var rows [][]string
	for i := range decoded {
		rows = append(rows, row(&decoded[i]))
	}
	s.table(header, rows)
	return nil
}
