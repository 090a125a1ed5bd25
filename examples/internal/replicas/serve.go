package replicas

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/retry"
)

const (
	// lease is after how long the events of a replica that died are taken over.
	lease = 2 * time.Second
	// workTime is how long it takes to process an event, and concurrency how many a replica processes at once.
	workTime    = 200 * time.Millisecond
	concurrency = 10
)

// serve is one replica: it takes events at the URL that it writes to out, and does its share of the processing, until in
// ends. Replicas know nothing of each other but the place.
func serve(ctx context.Context, name string, at Place, open Open, in io.Reader, out io.Writer) (err error) {
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	backend, err := open(ctx, at, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, backend.Close()) }()
	service, err := asyncevents.New(backend, processor(name), &asyncevents.Config{
		Concurrency: concurrency, Lease: lease, Policy: retry.Fixed(100 * time.Millisecond), Logger: log,
	})
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: service.Handler(), ReadHeaderTimeout: 5 * time.Second}
	ctx, stop := context.WithCancelCause(ctx)
	go func() { stop(server.Serve(listener)) }() // without its port the replica ends
	go func() {
		_, err := io.Copy(io.Discard, in)
		stop(errors.Join(err, context.Canceled))
	}()
	_, err = fmt.Fprintf(out, "http://%s\n", listener.Addr())
	err = errors.Join(err, service.Run(ctx)) // blocks; nil after a clean drain
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		err = errors.Join(err, cause)
	}
	return errors.Join(err, server.Close())
}

// outcome is what a processor makes of an event.
type outcome struct {
	Replica string `json:"replica"`
}

// processor takes some time, and says which replica it belongs to.
func processor(name string) asyncevents.Processor {
	return func(ctx context.Context, _ asyncevents.Event) (any, error) {
		select {
		case <-time.After(workTime):
			return outcome{name}, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
