package foreign_test

import (
	"context"
	"fmt"

	"github.com/ThreeDotsLabs/watermill/pubsub/gochannel"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/foreign"
	"github.com/redrive-go/redrive/backends/memory"
)

// Any Publisher and Subscriber will do; those of a real service outlive the process, and so does its store.
func ExampleNew() {
	channel := gochannel.NewGoChannel(gochannel.Config{Persistent: true}, nil)
	backend, err := foreign.New(channel, channel, memory.New(), &foreign.Config{
		Name:    "gochannel",
		Inboxes: 1, // each subscription of a GoChannel gets all messages
	})
	if err != nil {
		panic(err)
	}
	processed := make(chan string)
	service, err := asyncevents.New(backend, func(_ context.Context, event asyncevents.Event) (any, error) {
		processed <- string(event.Body)
		return nil, nil
	}, nil)
	if err != nil {
		panic(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- service.Run(ctx) }()

	if _, err := service.Accept(ctx, asyncevents.Submission{Body: []byte(`{"action":"point_add"}`)}); err != nil {
		panic(err)
	}
	fmt.Println(<-processed)

	stop()
	fmt.Println(<-ended, backend.Close(), channel.Close())
	// Output:
	// {"action":"point_add"}
	// <nil> <nil> <nil>
}
