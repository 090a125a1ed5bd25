package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// maxCell is how many characters of a value a table shows.
const maxCell = 80

// table prints rows below a header; a nil header goes without.
func (s *session) table(header []string, rows [][]string) {
	if header != nil {
		rows = append([][]string{header}, rows...)
	}
	s.aligned(rows, func(cell string) string { return shorten(plain(cell), maxCell) })
}

// facts prints what is known of one thing, a name and a value each, whole.
func (s *session) facts(rows [][]string) { s.aligned(rows, plain) }

func (s *session) aligned(rows [][]string, fit func(cell string) string) {
	t := tabwriter.NewWriter(s.stdout, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = fit(cell)
		}
		_, _ = fmt.Fprintln(t, strings.Join(cells, "\t"))
	}
	_ = t.Flush() // s.stdout keeps the error
}

// printJSON prints what the server answered, on one line.
func (s *session) printJSON(raw json.RawMessage) error {
	line, err := plainJSON(raw)
	if err != nil {
		return fmt.Errorf("the answer cannot be printed: %w", err)
	}
	_, _ = fmt.Fprintln(s.stdout, line)
	return nil
}

// printItems prints each item on a line.
func (s *session) printItems(items []json.RawMessage) error {
	for _, item := range items {
		if err := s.printJSON(item); err != nil {
			return err
		}
	}
	return nil
}

// decodeAll reads the items of a list.
func decodeAll[T any](items []json.RawMessage) ([]T, error) {
	all := make([]T, 0, len(items))
	for _, item := range items {
		one, err := decode[T](item)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

// stamp is a time in a table; "-" where it is not known.
func stamp(at time.Time) string {
	if at.IsZero() {
		return "-"
	}
	return at.UTC().Format("2006-01-02T15:04:05Z")
}

// number is a count in a table.
func number(n int64) string { return strconv.FormatInt(n, 10) }

// size is a number of bytes for people.
func size(bytes int64) string {
	if bytes < 1<<10 {
		return fmt.Sprintf("%d B", bytes)
	}
	value, unit := float64(bytes), ""
	for _, next := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if value < 1<<10 {
			break
		}
		value, unit = value/(1<<10), next
	}
	return fmt.Sprintf("%.1f %s", value, unit)
}

// span is a duration for people, in whole seconds.
func span(d time.Duration) string { return d.Round(time.Second).String() }
