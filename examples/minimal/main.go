// Command minimal is the whole of an integration: a service that takes events, processes them and can be managed.
//
//	MANAGE_TOKEN=secret go run ./examples/minimal
//	curl -i 127.0.0.1:8080/v1/async/events -H 'Content-Type: application/json' \
//		-d '{"customer":"c1","action":"point_add","data":{"points":5}}'
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/asyncevents/management"
	"github.com/redrive-go/redrive/backends/sqlite"
	"github.com/redrive-go/redrive/retry"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, "127.0.0.1:8080", "events.db"); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, addr, path string) (err error) {
	backend, err := sqlite.Open(ctx, path, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, backend.Close()) }()
	service, err := asyncevents.New(backend, process, &asyncevents.Config{
		Validator: asyncevents.RequireFields("customer", "action", "data"),
	})
	if err != nil {
		return err
	}
	manage, err := management.Handler(service, management.Token(os.Getenv("MANAGE_TOKEN")), nil)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/v1/async/events", service.Handler())
	mux.Handle("/v1/async/events/", service.Handler())
	mux.Handle("/manage/", manage)
	server := &http.Server{Addr: addr, Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	ctx, fail := context.WithCancelCause(ctx)
	go func() { fail(server.ListenAndServe()) }() // without its port the service ends
	err = service.Run(ctx)                        // blocks; nil after a clean drain
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		err = errors.Join(err, cause)
	}
	return errors.Join(err, server.Close())
}

// process handles one event. Many run at once.
func process(_ context.Context, event asyncevents.Event) (any, error) {
	switch event.Action {
	case "point_add":
		return map[string]int{"balance": 325}, nil
	case "checkout":
		return nil, asyncevents.Reject("NotEnoughPoints", 4001, "only 3 points left")
	}
	return nil, retry.Permanent(fmt.Errorf("no such action: %s", event.Action))
}
