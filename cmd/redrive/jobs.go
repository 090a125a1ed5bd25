package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
)

var jobsCommand = command{
	name: "jobs", args: "QUEUE", least: 1, most: 1, about: "List the retry jobs of a DLQ and what became of what they moved, latest first",
	details: "redrive list QUEUE -job ID shows what came back of one.",
	prepare: func(f *flag.FlagSet) action {
		var l limit
		l.register(f, "jobs")
		return func(ctx context.Context, s *session, args []string) error { return s.showJobs(ctx, args[0], &l) }
	},
}

// jobPage is one page of the history.
type jobPage struct {
	Jobs       []json.RawMessage `json:"jobs"`
	NextCursor string            `json:"next_cursor"`
}

func (s *session) showJobs(ctx context.Context, queue string, l *limit) error {
	if err := l.check("jobs"); err != nil {
		return err
	}
	cursor := ""
	shown, err := l.pages(func(n, shown int) (int, bool, error) {
		page, err := s.jobPage(ctx, queue, cursor, n)
		if err != nil {
			return 0, false, err
		}
		if page.NextCursor != "" && page.NextCursor == cursor {
			return 0, false, newCircle()
		}
		cursor = page.NextCursor
		return len(page.Jobs), cursor != "", s.printJobs(page.Jobs, shown == 0)
	})
	if err == nil && shown == 0 {
		return newNothing("there was no retry job of the DLQ of " + queue)
	}
	if err == nil && cursor != "" {
		s.say("%d shown; -limit or -all shows those before them", shown)
	}
	return err
}

func (s *session) jobPage(ctx context.Context, queue, cursor string, n int) (jobPage, error) {
	query := url.Values{"limit": {strconv.Itoa(n)}}
	if cursor != "" {
		query.Set("cursor", cursor)
	}
	raw, err := s.client.call(ctx, &request{method: http.MethodGet, path: []string{"queues", queue, "retry-jobs"}, query: query})
	if err != nil {
		return jobPage{}, err
	}
	return decode[jobPage](raw)
}

var jobsHeader = []string{"ID", "STARTED", "BY", "STATE", "MOVED", "PROCESSED", "REFUSED", "CAME BACK", "WAITING", "OF", "ERROR"}

func (s *session) printJobs(items []json.RawMessage, first bool) error {
	return printPage(s, items, first, jobsHeader, func(j *job) []string {
		o := &j.Outcome
		return []string{j.ID, stamp(j.StartedAt), j.StartedBy, j.State, fmt.Sprintf("%d/%d", j.Moved, j.Total), number(o.Processed),
			number(o.Refused), number(o.CameBack), number(o.Waiting), j.which(), j.Error}
	})
}
