package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/redrive-go/redrive/asyncevents"
)

// ledger is a file with one line for each run of the processor that ended: "correlation_id attempt outcome". The attempt
// counts through all redrives; the outcome is processed, error (refused), failed or panic. A run during which the
// process dies leaves no line.
type ledger struct {
	file *os.File
	log  *slog.Logger
}

// openLedger opens the file for appending, and makes it where it is missing.
func openLedger(path string, log *slog.Logger) (*ledger, error) {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600) //nolint:gosec // the user names it
	if err != nil {
		return nil, fmt.Errorf("open the ledger: %w", err)
	}
	return &ledger{file, log}, nil
}

// record has every run of next written down.
func (l *ledger) record(next asyncevents.Processor) asyncevents.Processor {
	return func(ctx context.Context, event asyncevents.Event) (result any, err error) {
		outcome := "panic" // unless next returns
		defer func() { l.write(ctx, event, outcome) }()
		result, err = next(ctx, event)
		outcome = outcomeOf(err)
		return result, err
	}
}

// write appends a line in one write, so that lines of several goroutines and processes do not mix.
func (l *ledger) write(ctx context.Context, event asyncevents.Event, outcome string) {
	if _, err := fmt.Fprintf(l.file, "%s %d %s\n", event.ID, event.TotalAttempts, outcome); err != nil {
		l.log.ErrorContext(ctx, "cannot write the ledger", "correlation_id", event.ID, "error", err)
	}
}

func (l *ledger) close() error { return l.file.Close() }

func outcomeOf(err error) string {
	var refused *asyncevents.Rejection
	switch {
	case err == nil:
		return string(asyncevents.StatusProcessed)
	case errors.As(err, &refused):
		return string(asyncevents.StatusError)
	default:
		return string(asyncevents.StatusFailed)
	}
}
