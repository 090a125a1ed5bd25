package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
)

var editCommand = command{
	name: "edit", args: "QUEUE ID FILE", least: 3, most: 3, about: "Move one entry back with another payload",
	details: "FILE holds the new payload, whole; - is the standard input. The entry is kept as it was, and the difference is printed.\n" +
		"redrive show QUEUE ID -payload > FILE writes the present one.",
	prepare: func(f *flag.FlagSet) action {
		dry := f.Bool("dry-run", false, "only print the difference")
		return func(ctx context.Context, s *session, args []string) error {
			payload, err := s.readFile(args[2])
			if err != nil {
				return &failure{code: exitFailed, what: err.Error(), advice: "name a file that holds the new payload"}
			}
			return s.edit(ctx, args[0], args[1], payload, *dry)
		}
	},
}

// readFile reads a file, or the standard input for "-".
func (s *session) readFile(path string) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(s.stdin)
	}
	return os.ReadFile(path) //nolint:gosec // the operator names the file
}

func (s *session) edit(ctx context.Context, queue, id string, payload []byte, dry bool) error {
	raw, err := s.client.call(ctx, &request{method: http.MethodPost, path: []string{"queues", queue, "entries", id, "edit"},
		fields: map[string]any{"payload_base64": payload, "dry_run": dry}})
	if err != nil {
		return err
	}
	if s.json() {
		return s.printJSON(raw)
	}
	answer, err := decode[struct {
		Entry      entry  `json:"entry"`
		Difference string `json:"difference"`
	}](raw)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprint(s.stdout, plainBlock(answer.Difference))
	if dry {
		s.tell("nothing was done")
		return nil
	}
	s.tell("moved back: entry %s, correlation id %s", answer.Entry.ID, answer.Entry.CorrelationID)
	return nil
}
