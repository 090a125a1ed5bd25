package main

import (
	"context"
	"encoding/json"
	"flag"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

var exportsCommand = command{
	name: "exports", args: "QUEUE", least: 1, most: 1, about: "List the latest exports of a DLQ, newest first",
	details: "redrive export QUEUE -id ID downloads one.",
	prepare: func(f *flag.FlagSet) action {
		n := f.Int("limit", defaultLimit, "show so many exports")
		return func(ctx context.Context, s *session, args []string) error { return s.showExports(ctx, args[0], *n) }
	},
}

// exportRecord describes an export.
type exportRecord struct {
	ID        string    `json:"id"`
	Queue     string    `json:"queue"`
	State     string    `json:"state"`
	Count     int64     `json:"count"`
	Bytes     int64     `json:"bytes"`
	SHA256    string    `json:"sha256"`
	CreatedAt time.Time `json:"created_at"`
	CreatedBy string    `json:"created_by"`
	Error     string    `json:"error"`
}

func (s *session) showExports(ctx context.Context, queue string, n int) error {
	raw, err := s.client.call(ctx, &request{method: http.MethodGet, path: []string{"queues", queue, "exports"},
		query: url.Values{"limit": {strconv.Itoa(n)}}})
	if err != nil {
		return err
	}
	list, err := decode[struct {
		Exports []json.RawMessage `json:"exports"`
	}](raw)
	switch {
	case err != nil:
		return err
	case len(list.Exports) == 0:
		return newNothing("no exports of the DLQ of " + queue)
	case s.json():
		return s.printItems(list.Exports)
	}
	records, err := decodeAll[exportRecord](list.Exports)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, r := range records {
		rows = append(rows, []string{r.ID, r.State, stamp(r.CreatedAt), r.CreatedBy, number(r.Count), size(r.Bytes), r.Error})
	}
	s.table([]string{"ID", "STATE", "STARTED", "BY", "ENTRIES", "SIZE", "ERROR"}, rows)
	return nil
}
