// Command nats shows how events travel with NATS JetStream, and everything else is kept in SQLite. It is a module of its own:
//
//	cd examples/nats && go run .
//
// A shop ships parcels. Its events go to a stream and from there into the queue of the store, where attempts are counted and dead
// letters kept. One parcel cannot be shipped and lands in the DLQ; someone mends that and has it tried again. Another one comes
// from a program that knows nothing of Redrive.
//
// shop.go is what to copy, bus.go how to set up JetStream for it, subscriber.go how to take messages from it, story.go what is
// told. The server of NATS runs in this process, and everything is in a temporary folder.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
)

func main() {
	log := slog.New(slog.DiscardHandler) // every failure is part of the story; a service would keep its log
	if err := run(context.Background(), os.Stdout, log); err != nil {
		fmt.Fprintln(os.Stderr, "nats:", err)
		os.Exit(1)
	}
}

// run tells the whole story on out.
func run(ctx context.Context, out io.Writer, log *slog.Logger) (err error) {
	dir, err := os.MkdirTemp("", "redrive-nats-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b, err := openBus(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	s, err := openShop(ctx, b, dir, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.backend.Close()) }() // before the bus, which is the host's
	ctx, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- s.service.Run(ctx) }()
	defer func() {
		stop()
		err = errors.Join(err, <-ended)
	}()
	return (&story{shop: s, bus: b, out: out}).tell(ctx)
}
