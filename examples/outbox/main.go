// Command outbox shows how an event is accepted and completed in the host's own transactions on PostgreSQL.
//
//	go run ./examples/outbox -dsn postgres://user:password@host/database
//
// A shop writes an order and accepts its event in one transaction: there is never the one without the other, and what is
// rolled back leaves neither. Its processor books the order and completes the event in one transaction, so each order is
// booked exactly once, also when the processor crashes: before its commit nothing has happened and it is tried again, after
// it all is done.
//
// shop.go is what to copy, story.go what is told of it. All tables of the example begin with "outbox_".
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
)

// errNoDSN says how to get a database.
var errNoDSN = errors.New(`-dsn is missing: the URL of a PostgreSQL database. Here is one that ends with Ctrl-C:

  docker run --rm -p 127.0.0.1:5432:5432 -e POSTGRES_PASSWORD=redrive postgres
  go run ./examples/outbox -dsn postgres://postgres:redrive@127.0.0.1:5432/postgres

or without Docker, from installed programs or Debian packages, one that ends with the example:

  make servers
  .cache/bin/withservers -- sh -c 'go run ./examples/outbox -dsn "$REDRIVE_TEST_POSTGRES"'`)

func main() {
	dsn := flag.String("dsn", "", "`URL` of a PostgreSQL database")
	flag.Parse()
	log := slog.New(slog.DiscardHandler) // every failure is part of the story; a service would keep its log
	if err := run(context.Background(), *dsn, os.Stdout, log); err != nil {
		fmt.Fprintln(os.Stderr, "outbox:", err)
		os.Exit(1)
	}
}

// run tells the whole story on out.
func run(ctx context.Context, dsn string, out io.Writer, log *slog.Logger) (err error) {
	if dsn == "" {
		return errNoDSN
	}
	s, err := openShop(ctx, dsn, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	ctx, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- s.service.Run(ctx) }()
	defer func() {
		stop()
		err = errors.Join(err, <-ended)
	}()
	return (&story{shop: s, out: out}).tell(ctx)
}
