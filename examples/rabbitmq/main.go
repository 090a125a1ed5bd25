// Command rabbitmq shows replicas of a service whose events are carried by one RabbitMQ.
//
//	go run ./examples/rabbitmq -dsn amqp://user:password@host/vhost -store-dsn postgres://user:password@host/database
//
// It starts three processes of itself, each with an intake of its own, sends events to all of them, and kills one without a
// warning while it is at work. The broker notices at once, and the others get its events. In the end it prints which replica
// accepted and processed how many events: none is missing.
//
// The store remembers what became of the events. Without -store-dsn it is an SQLite file for the time being, which replicas on one
// machine can share. All queues of the example begin with "replicas-", all tables with "replicas_". What is not about RabbitMQ is in
// examples/internal/replicas: serve.go there is a replica.
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
	"path/filepath"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/amqp"
	"github.com/redrive-go/redrive/backends/postgres"
	"github.com/redrive-go/redrive/backends/sqlite"
	"github.com/redrive-go/redrive/examples/internal/replicas"
)

// What the names of queues and of tables begin with.
const (
	queuePrefix = "replicas-"
	tablePrefix = "replicas_"
)

// errNoDSN says how to get a broker.
var errNoDSN = errors.New(`-dsn is missing: the URL of a RabbitMQ. Here is one that ends with Ctrl-C:

  docker run --rm -p 127.0.0.1:5672:5672 rabbitmq:4
  go run ./examples/rabbitmq -dsn amqp://guest:guest@127.0.0.1:5672/

or without Docker, from installed programs or Debian packages, one that ends with the example:

  make servers
  .cache/bin/withservers -- sh -c 'go run ./examples/rabbitmq -dsn "$REDRIVE_TEST_AMQP" -store-dsn "$REDRIVE_TEST_POSTGRES"'`)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	var err error
	if replicas.Asked() {
		err = replicas.Serve(ctx, open)
	} else {
		var at replicas.Place
		flag.StringVar(&at.DSN, "dsn", "", "`URL` of a RabbitMQ")
		flag.StringVar(&at.StoreDSN, "store-dsn", "", "`URL` of a PostgreSQL database (default an SQLite file for the time being)")
		flag.Parse()
		err = run(ctx, at, os.Stdout)
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "rabbitmq:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, at replicas.Place, out io.Writer) (err error) {
	if at.DSN == "" {
		return errNoDSN
	}
	folder, err := os.MkdirTemp("", "replicas")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	if at.StoreDSN == "" {
		at.StoreDSN = filepath.Join(folder, "events.db")
	}
	return replicas.Run(ctx, at, out)
}

// open opens the backend of one replica.
func open(ctx context.Context, at replicas.Place, log *slog.Logger) (*asyncevents.Backend, error) {
	store, err := openStore(ctx, at.StoreDSN, log)
	if err != nil {
		return nil, err
	}
	backend, err := amqp.Open(ctx, at.DSN, store, &amqp.Config{QueuePrefix: queuePrefix, Logger: log})
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return backend, nil // closing it closes the store as well
}

func openStore(ctx context.Context, dsn string, log *slog.Logger) (*asyncevents.Backend, error) {
	if filepath.IsAbs(dsn) {
		return sqlite.Open(ctx, dsn, &sqlite.Config{Logger: log})
	}
	return postgres.Open(ctx, dsn, &postgres.Config{TablePrefix: tablePrefix, Logger: log})
}
