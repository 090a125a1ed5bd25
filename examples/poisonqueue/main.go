// Command poisonqueue shows what a service that runs a Watermill router already has to add to get dead-letter queues
// that can be looked into and redriven.
//
//	go run ./examples/poisonqueue
//
// Its two topics are carried by a backend of this module, here the one in memory. The topic "orders" has
// dlq.Middleware around its handler, which also counts attempts and waits in between. The topic "mails" keeps Watermill's
// own middleware.PoisonQueue and gives it a dlq.Publisher: the first failure is the last there. A third topic,
// "clicks", comes over Watermill's gochannel, to show that the middleware serves with any transport; as a redrive goes
// through the backend, the router takes what is redriven from there as well.
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
)

func main() {
	log := slog.New(slog.DiscardHandler) // every failure is part of the story; a service would keep its log
	if err := run(context.Background(), os.Stdout, log); err != nil {
		fmt.Fprintln(os.Stderr, "poisonqueue:", err)
		os.Exit(1)
	}
}

// run tells the whole story on out.
func run(ctx context.Context, out io.Writer, log *slog.Logger) error {
	s, err := newShop(log)
	if err != nil {
		return err
	}
	stop, err := s.start(ctx)
	if err != nil {
		return err
	}
	story := &story{shop: s, out: out}
	if err := story.tell(ctx); err != nil {
		_ = stop()
		return err
	}
	return stop()
}
