// Command quickstart is Redrive on one machine: it takes events over HTTP, processes them as a small loyalty-points
// program would, calls back, and shows what failed in the web UI.
//
//	go run ./examples/quickstart
//
// It needs nothing else: events are kept in an SQLite file; -backend has others. At start it sends itself a few sample events, prints what
// became of them and what to try next, and serves on until SIGINT or SIGTERM. -help lists the flags.
//
// An event may ask for trouble in its "data", see simulation.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// Exit codes besides 0.
const (
	exitFailure = 1
	exitUsage   = 2
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run does everything and returns the exit code: what is for people goes to stdout, the log to stderr.
func run(args []string, stdout, stderr io.Writer) int {
	o, err := parseOptions(args, stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		complain(stderr, err)
		return exitUsage
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// From the first signal on they have their usual effect again: the second one ends the process at once.
	context.AfterFunc(ctx, stop)
	if err := serve(ctx, o, stdout, slog.New(slog.NewTextHandler(stderr, nil))); err != nil {
		complain(stderr, err)
		return exitFailure
	}
	return 0
}

func serve(ctx context.Context, o options, stdout io.Writer, log *slog.Logger) error {
	s, err := newServer(ctx, o, log)
	if err != nil {
		return err
	}
	return s.run(ctx, stdout)
}

// complain prints an error as one line.
func complain(w io.Writer, err error) {
	_, _ = fmt.Fprintln(w, "quickstart: "+strings.ReplaceAll(err.Error(), "\n", "; "))
}
