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

var auditCommand = command{
	name: "audit", about: "Show who did what, newest first",
	prepare: func(f *flag.FlagSet) action {
		var l limit
		l.register(f, "rows")
		about := f.String("correlation-id", "", "only what was done about the event with this `id` alone")
		return func(ctx context.Context, s *session, _ []string) error { return s.audit(ctx, *about, &l) }
	},
}

// auditRow is one thing that somebody did, or tried to do.
type auditRow struct {
	ID            string    `json:"id"`
	At            time.Time `json:"at"`
	Actor         string    `json:"actor"`
	Action        string    `json:"action"`
	Queue         string    `json:"queue"`
	Target        string    `json:"target"`
	CorrelationID string    `json:"correlation_id"`
	Count         int64     `json:"count"`
	Outcome       string    `json:"outcome"`
	Detail        string    `json:"detail"`
}

func (s *session) audit(ctx context.Context, about string, l *limit) error {
	if err := l.check("audit"); err != nil {
		return err
	}
	before := ""
	shown, err := l.pages(func(n, shown int) (int, bool, error) {
		items, err := s.auditPage(ctx, about, before, n)
		if err != nil || len(items) == 0 {
			return 0, false, err
		}
		last, err := decode[auditRow](items[len(items)-1])
		if err != nil {
			return 0, false, err
		}
		before = last.ID
		return len(items), len(items) == n, printPage(s, items, shown == 0, auditHeader, (*auditRow).row)
	})
	switch {
	case err != nil || shown > 0:
		return err
	case about != "":
		return newNothing("nobody did anything about the event " + about + " alone")
	}
	return newNothing("nobody did anything yet")
}

func (s *session) auditPage(ctx context.Context, about, before string, n int) ([]json.RawMessage, error) {
	query := url.Values{"limit": {strconv.Itoa(n)}}
	if about != "" {
		query.Set("correlation_id", about)
	}
	if before != "" {
		query.Set("before", before)
	}
	raw, err := s.client.call(ctx, &request{method: http.MethodGet, path: []string{"audit"}, query: query})
	if err != nil {
		return nil, err
	}
	list, err := decode[struct {
		Rows []json.RawMessage `json:"rows"`
	}](raw)
	return list.Rows, err
}

var auditHeader = []string{"AT", "WHO", "ACTION", "QUEUE", "TARGET", "EVENT", "COUNT", "OUTCOME", "DETAIL"}

func (r *auditRow) row() []string {
	return []string{stamp(r.At), r.Actor, r.Action, r.Queue, r.Target, r.CorrelationID, number(r.Count), r.Outcome, r.Detail}
}
