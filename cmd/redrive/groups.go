package main

import (
	"cmp"
	"context"
	"encoding/json"
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
	list, err := decode[struct {
		Errors []json.RawMessage `json:"errors"`
	}](raw)
	switch {
	case err != nil:
		return err
	case len(list.Errors) == 0:
		return newNothing((&filter{}).entries(0) + " in the DLQ of " + queue)
	case s.json():
		return s.printItems(list.Errors)
	}
	groups, err := decodeAll[group](list.Errors)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, g := range groups {
		rows = append(rows, []string{number(g.Count), g.Signature, stamp(g.FirstSeen), stamp(g.LastSeen), g.Error.String()})
	}
	s.table([]string{"COUNT", "SIGNATURE", "FIRST SEEN", "LAST SEEN", "ERROR"}, rows)
	if len(rows) == cmp.Or(n, defaultLimit) {
		s.say("%d groups shown; there may be more, which -limit shows", len(rows))
	}
	return nil
}
