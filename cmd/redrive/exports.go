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
	details: "redrive export QUEUE -download ID downloads one, redrive export delete ID deletes it.",
	prepare: func(f *flag.FlagSet) action {
		var l limit
		f.IntVar(&l.n, "limit", defaultLimit, "show so many exports")
		return func(ctx context.Context, s *session, args []string) error {
			if err := l.check("exports"); err != nil {
				return err
			}
			return s.showExports(ctx, args[0], l.n)
		}
	},
}

var exportDeleteCommand = command{
	name: "export delete", args: "ID", least: 1, most: 1, about: "Delete an export and its file at the service",
	details: "One that is being written is broken off. What was downloaded stays where it is.",
	prepare: bare(deleteExport),
}

func deleteExport(ctx context.Context, s *session, args []string) error {
	if _, err := s.client.call(ctx, &request{method: http.MethodDelete, path: []string{"exports", args[0]}}); err != nil {
		return err
	}
	if !s.json() {
		s.tell("export %s deleted", args[0])
		return nil
	}
	raw, err := json.Marshal(map[string]string{"deleted": args[0]})
	if err != nil {
		return err
	}
	return s.printJSON(raw)
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
