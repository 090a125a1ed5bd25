// Package replicas tells a story of replicas of a service that share their work. It starts three processes of the program that
// imports it, each with an intake of its own, sends events to all of them, and kills one without a warning while it is at work. The
// others take over its events. In the end it prints which replica accepted and processed how many: none is missing.
//
// serve.go is a replica and what to copy, replica.go its process, story.go what happens.
package replicas

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"

	"github.com/redrive-go/redrive/asyncevents"
)

// Names are those of the replicas. The second one is killed.
var Names = []string{"a", "b", "c"}

// Place is where replicas share their work: a database, or a broker and a store.
type Place struct {
	DSN      string
	StoreDSN string
}

// Open opens the backend of one replica.
type Open func(ctx context.Context, at Place, log *slog.Logger) (*asyncevents.Backend, error)

// Asked is whether this process is to be a replica, which Run has started.
func Asked() bool {
	_, _, ok := asked()
	return ok
}

// Serve is the replica that this process is to be, until Run stops it.
func Serve(ctx context.Context, open Open) error {
	name, at, _ := asked()
	return serve(ctx, name, at, open, os.Stdin, os.Stdout)
}

// Run starts the replicas, tells the story on out, and stops those that are left. The program has to call Serve when it is Asked.
func Run(ctx context.Context, at Place, out io.Writer) (err error) {
	s := newStory(out)
	defer func() { err = errors.Join(err, s.stop()) }()
	for _, name := range Names {
		r, err := start(ctx, name, at)
		if err != nil {
			return err
		}
		s.replicas = append(s.replicas, r)
	}
	return s.tell(ctx)
}
