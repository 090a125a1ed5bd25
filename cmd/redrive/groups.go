package main

import (
	"cmp"
	"context"
	"flag"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

var errorsCommand = command{
	name: "errors", args: "QUEUE", least: 1, most: 1, about: "Group the entries of a DLQ by what went wrong",
	details: "redrive list QUEUE -signature SIGNATURE shows the entries of a group, and the same flag of job start, export and\n" +
		"erase means them alone. -output json has a sample entry of each group.",
	prepare: func(f *flag.FlagSet) action {
		n := f.Int("limit", 0, "show so many groups, those with most entries first (default as many as the server likes)")
		return func(ctx context.Context, s *session, args []string) error {
			return showErrors(ctx, s, args[0], *n)
		}
	},
}

// group is the entries that failed for one cause.
type group struct {
	Signature string    `json:"signature"`
	Error     cause     `json:"error"`
	Count     int64     `json:"count"`
	FirstSeen time.Time `json:"first_seen"`
	LastSeen  time.Time `json:"last_seen"`
}

func showErrors(ctx context.Context, s *session, queue string, n int) error {
	query := url.Values{}
	if n != 0 {
		query.Set("limit", strconv.Itoa(n))
	}
	raw, err := s.client.call(ctx, &request{method: http.MethodGet, path: []string{"queues", queue, "errors"}, query: query})
	if err != nil {
		return err
	}
	list := itemList[group]{
		field: "errors", nothing: "no entries in the DLQ of " + queue,
		header: []string{"COUNT", "SIGNATURE", "FIRST SEEN", "LAST SEEN", "ERROR"}, row: (*group).row,
	}
	rows, err := list.show(s, raw)
	if !s.json() && rows > 0 && rows == cmp.Or(n, defaultLimit) {
		s.say("%d groups shown; there may be more, which -limit shows", rows)
	}
	return err
}

func (g *group) row() []string {
	return []string{number(g.Count), g.Signature, stamp(g.FirstSeen), stamp(g.LastSeen), g.Error.short()}
}
