// Command postgres shows replicas of a service that share the work on one PostgreSQL database.
//
//	go run ./examples/postgres -dsn postgres://user:password@host/database
//
// It starts three processes of itself, each with an intake of its own, sends events to all of them, and kills one without a
// warning while it is at work. The others take over its events when its lease has run out. In the end it prints which
// replica accepted and processed how many events: none is missing.
//
// All tables of the example begin with "replicas_". What is not about PostgreSQL is in examples/internal/replicas: serve.go
// there is a replica.
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

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/postgres"
	"github.com/redrive-go/redrive/examples/internal/replicas"
)

// tablePrefix is what the names of the tables begin with.
const tablePrefix = "replicas_"

// errNoDSN says how to get a database.
var errNoDSN = errors.New(`-dsn is missing: the URL of a PostgreSQL database. Here is one that ends with Ctrl-C:

  docker run --rm -p 127.0.0.1:5432:5432 -e POSTGRES_PASSWORD=redrive postgres
  go run ./examples/postgres -dsn postgres://postgres:redrive@127.0.0.1:5432/postgres

or without Docker, from installed programs or Debian packages, one that ends with the example:

  make servers
  .cache/bin/withservers -- sh -c 'go run ./examples/postgres -dsn "$REDRIVE_TEST_POSTGRES"'`)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	var err error
	if replicas.Asked() {
		err = replicas.Serve(ctx, open)
	} else {
		dsn := flag.String("dsn", "", "`URL` of a PostgreSQL database")
		flag.Parse()
		err = run(ctx, *dsn, os.Stdout)
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "postgres:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, dsn string, out io.Writer) error {
	if dsn == "" {
		return errNoDSN
	}
	return replicas.Run(ctx, replicas.Place{DSN: dsn}, out)
}

// open opens the backend of one replica.
func open(ctx context.Context, at replicas.Place, log *slog.Logger) (*asyncevents.Backend, error) {
	return postgres.Open(ctx, at.DSN, &postgres.Config{TablePrefix: tablePrefix, Logger: log})
}
