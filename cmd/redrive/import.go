package main

import (
	"context"
	"errors"
	"flag"
	"net/http"
	"net/url"
	"os"
)

// Places that an import leads to.
const (
	toDLQ   = "dlq"
	toQueue = "queue"
)

var importCommand = command{
	name: "import", args: "QUEUE FILE", least: 2, most: 2, about: "Bring the entries of an export file back",
	details: "Entries that are there already are skipped, so the same file may be imported again.",
	prepare: func(f *flag.FlagSet) action {
		to := toDLQ
		f.Func("to", "`place` of the entries: dlq, or queue to have them processed at once (default dlq)", func(text string) error {
			to = text
			return oneOf(text, toDLQ, toQueue)
		})
		return func(ctx context.Context, s *session, args []string) error {
			return s.importFile(ctx, args[0], args[1], to)
		}
	},
}

func (s *session) importFile(ctx context.Context, queue, path, to string) (err error) {
	file, length, err := openFile(path)
	if err != nil {
		return &failure{code: exitFailed, what: err.Error(), advice: "name the file of an export"}
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	raw, err := s.client.call(ctx, &request{method: http.MethodPost, path: []string{"queues", queue, "import"},
		query: url.Values{"to": {to}}, file: file, length: length, long: true})
	if err != nil {
		return err
	}
	if s.json() {
		return s.printJSON(raw)
	}
	answer, err := decode[struct {
		Imported int64 `json:"imported"`
		Skipped  int64 `json:"skipped"`
	}](raw)
	if err != nil {
		return err
	}
	s.tell("%d imported, %d skipped", answer.Imported, answer.Skipped)
	return nil
}

// openFile opens a regular file, whose length is known.
func openFile(path string) (*os.File, int64, error) {
	file, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, 0, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New(path + " is not a file")
	}
	if err != nil {
		return nil, 0, errors.Join(err, file.Close())
	}
	return file, info.Size(), nil
}
