package main

import (
	"context"
	"flag"
	"net/http"
)

var retryCommand = command{
	name: "retry", args: "QUEUE ID|--oldest", least: 1, most: 2, about: "Move one entry back, with fresh attempts",
	details: "It waits in the main queue for its next attempt. Should that fail as well, it comes back under a new id.",
	prepare: func(f *flag.FlagSet) action {
		oldest := f.Bool("oldest", false, "move the oldest entry")
		return func(ctx context.Context, s *session, args []string) error {
			if *oldest == (len(args) == 2) {
				return newUsage("retry", "it takes either an ID or --oldest")
			}
			path := []string{"queues", args[0], "retry-one"}
			if !*oldest {
				path = []string{"queues", args[0], "entries", args[1], "retry"}
			}
			return s.retry(ctx, path)
		}
	},
}

func (s *session) retry(ctx context.Context, path []string) error {
	raw, err := s.client.call(ctx, &request{method: http.MethodPost, path: path})
	if err != nil {
		return err
	}
	if s.json() {
		return s.printJSON(raw)
	}
	moved, err := decode[struct {
		Entry entry `json:"entry"`
	}](raw)
	if err != nil {
		return err
	}
	s.tell("moved back: entry %s, correlation id %s", moved.Entry.ID, moved.Entry.CorrelationID)
	return nil
}
