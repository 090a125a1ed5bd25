package main

import (
	"context"
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
		return func(ctx context.Context, s *session, args []string) error {
			if *n < 1 {
				return newUsage("exports", limitTooSmall)
			}
			return s.showExports(ctx, args[0], *n)
		}
	},
}

// exportRecord describes an export.
type exportRecord struct {
	ID        string    `json:"id"`
	Queue     string    `json:"queue"`
	State     string    `json:"state"`
	Format    string    `json:"format"`
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
	list := itemList[exportRecord]{
		field: "exports", nothing: "no exports of the DLQ of " + queue,
		header: []string{"ID", "STATE", "STARTED", "BY", "ENTRIES", "SIZE", "ERROR"}, row: (*exportRecord).row,
	}
	_, err = list.show(s, raw)
	return err
}

func (r *exportRecord) row() []string {
	return []string{r.ID, r.State, stamp(r.CreatedAt), r.CreatedBy, number(r.Count), size(r.Bytes), r.Error}
}
