// Command postgres shows replicas of a service that share the work on one PostgreSQL database.
//
//	go run ./examples/postgres -dsn postgres://user:password@host/database
//
// It starts three processes of itself, each with an intake of its own, sends events to all of them, and kills one without a
// warning while it is at work. The others take over its events when its lease has run out. In the end it prints which
// replica accepted and processed how many events: none is missing.
//
// serve.go is a replica and what to copy, replica.go its process, story.go what happens. All tables of the example begin
// with "replicas_".
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
)

// names are those of the replicas.
var names = []string{"a", "b", "c"}

// errNoDSN says how to get a database.
var errNoDSN = errors.New(`-dsn is missing: the URL of a PostgreSQL database. Here is one that ends with Ctrl-C:

  docker run --rm -p 127.0.0.1:5432:5432 -e POSTGRES_PASSWORD=redrive postgres
  go run ./examples/postgres -dsn postgres://postgres:redrive@127.0.0.1:5432/postgres

or without Docker, from installed programs or Debian packages, one that ends with the example:

  make servers
  .cache/bin/withservers -- sh -c 'go run ./examples/postgres -dsn "$REDRIVE_TEST_POSTGRES"'`)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	name, dsn, ok := asked()
	var err error
	if ok {
		err = serve(ctx, name, dsn, os.Stdin, os.Stdout)
	} else {
		flag.StringVar(&dsn, "dsn", "", "`URL` of a PostgreSQL database")
		flag.Parse()
		err = run(ctx, dsn, os.Stdout)
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "postgres:", err)
		os.Exit(1)
	}
}

// run starts the replicas, tells the story on out, and stops those that are left.
func run(ctx context.Context, dsn string, out io.Writer) (err error) {
	if dsn == "" {
		return errNoDSN
	}
	s := newStory(out)
	defer func() { err = errors.Join(err, s.stop()) }()
	for _, name := range names {
		r, err := start(ctx, name, dsn)
		if err != nil {
			return err
		}
		s.replicas = append(s.replicas, r)
	}
	return s.tell(ctx)
}
