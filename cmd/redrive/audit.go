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
		return func(ctx context.Context, s *session, _ []string) error { return s.audit(ctx, &l) }
	},
}

// auditRow is one thing that somebody did, or tried to do.
type auditRow struct {
	ID      string    `json:"id"`
	At      time.Time `json:"at"`
	Actor   string    `json:"actor"`
	Action  string    `json:"action"`
	Queue   string    `json:"queue"`
	Target  string    `json:"target"`
	Count   int64     `json:"count"`
	Outcome string    `json:"outcome"`
	Detail  string    `json:"detail"`
}

func (s *session) audit(ctx context.Context, l *limit) error {
	if err := l.check("audit"); err != nil {
		return err
	}
	shown, before := 0, ""
	for n := l.next(shown); n > 0; n = l.next(shown) {
		items, rows, err := s.auditPage(ctx, before, n)
		if err != nil {
			return err
		}
		if err := s.printAudit(items, rows, shown == 0); err != nil {
			return err
		}
		shown += len(rows)
		if len(rows) < n {
			break
		}
		before = rows[len(rows)-1].ID
	}
	if shown == 0 {
		return newNothing("nobody did anything yet")
	}
	return nil
}

func (s *session) auditPage(ctx context.Context, before string, n int) (items []json.RawMessage, rows []auditRow, err error) {
	query := url.Values{"limit": {strconv.Itoa(n)}}
	if before != "" {
		query.Set("before", before)
	}
	raw, err := s.client.call(ctx, &request{method: http.MethodGet, path: []string{"audit"}, query: query})
	if err != nil {
		return nil, nil, err
	}
	list, err := decode[struct {
		Rows []json.RawMessage `json:"rows"`
	}](raw)
	if err != nil {
		return nil, nil, err
	}
	rows, err = decodeAll[auditRow](list.Rows)
	return list.Rows, rows, err
}

func (s *session) printAudit(items []json.RawMessage, rows []auditRow, first bool) error {
	if s.json() {
		return s.printItems(items)
	}
	if len(rows) == 0 {
		return nil
	}
	var header []string
	if first {
		header = []string{"AT", "WHO", "ACTION", "QUEUE", "TARGET", "COUNT", "OUTCOME", "DETAIL"}
	}
	var cells [][]string
	for _, r := range rows {
		cells = append(cells, []string{stamp(r.At), r.Actor, r.Action, r.Queue, r.Target, number(r.Count), r.Outcome, r.Detail})
	}
	s.table(header, cells)
	return nil
}
