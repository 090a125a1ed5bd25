package dlq_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/gochannel"

	"github.com/redrive-go/redrive/dlq"
)

func ExampleMiddleware() {
	store := &fake{} // a real one comes with a backend
	transport := gochannel.NewGoChannel(gochannel.Config{}, nil)
	router, err := message.NewRouter(message.RouterConfig{}, watermill.NopLogger{})
	if err != nil {
		log.Fatal(err)
	}
	poison, err := dlq.Middleware(store, "orders", &dlq.MiddlewareConfig{Logger: quiet})
	if err != nil {
		log.Fatal(err)
	}
	router.AddMiddleware(poison)
	router.AddConsumerHandler("orders", "orders", transport, func(*message.Message) error {
		return errors.New("no such article")
	})
	ended := make(chan error, 1)
	go func() { ended <- router.Run(context.Background()) }()
	<-router.Running()
	if err := transport.Publish("orders", message.NewMessage("order-1", []byte(`{"article":7}`))); err != nil {
		log.Fatal(err)
	}

	manager := dlq.NewManager(store, quiet)
	page := waitForEntries(manager, "orders")
	for _, entry := range page.Entries {
		fmt.Println(entry.Topic, entry.MessageID, string(entry.Payload), entry.Failure.Message)
	}
	if err := errors.Join(router.Close(), <-ended, transport.Close()); err != nil {
		log.Fatal(err)
	}
	// Output: orders order-1 {"article":7} no such article
}

// waitForEntries returns the first page of a DLQ when there is one.
func waitForEntries(manager *dlq.Manager, queue string) dlq.Page {
	for {
		page, err := manager.List(context.Background(), queue, dlq.Query{})
		if err != nil {
			log.Fatal(err)
		}
		if page.Total > 0 {
			return page
		}
		time.Sleep(time.Millisecond)
	}
}

func ExamplePublisher() {
	store := &fake{} // a real one comes with a backend
	publisher := dlq.NewPublisher(store, quiet)

	// middleware.PoisonQueue(publisher, "orders") publishes like this when a handler fails:
	msg := message.NewMessage("order-1", []byte(`{"article":7}`))
	msg.Metadata.Set("reason_poisoned", "no such article")
	msg.Metadata.Set("topic_poisoned", "orders.new")
	if err := publisher.Publish("orders", msg); err != nil {
		log.Fatal(err)
	}

	entry, err := dlq.NewManager(store, quiet).Get(context.Background(), "orders", 1)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(entry.Topic, entry.Failure.Message)
	// Output: orders.new no such article
}

func ExampleManager() {
	ctx := context.Background()
	store := &fake{} // a real one comes with a backend
	for _, id := range []string{"order-1", "order-2", "order-3"} {
		entry := dlq.Entry{Queue: "orders", Topic: "orders.new", MessageID: id, Failure: dlq.Failure{Message: "no such article"}}
		if err := store.Add(ctx, entry); err != nil {
			log.Fatal(err)
		}
	}
	manager := dlq.NewManager(store, quiet)

	page, err := manager.List(ctx, "orders", dlq.Query{Limit: 2})
	if err != nil {
		log.Fatal(err)
	}
	for _, entry := range page.Entries {
		fmt.Println(entry.ID, entry.MessageID, entry.Failure.Message)
	}
	moved, err := manager.RetryOldest(ctx, "orders")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("back to", moved.Topic, "is", moved.MessageID)

	var count *dlq.CountError
	if _, err := manager.Erase(ctx, "orders", dlq.Filter{}, 3); errors.As(err, &count) {
		fmt.Println("there are only", count.Present)
	}
	erased, err := manager.Erase(ctx, "orders", dlq.Filter{}, 2)
	fmt.Println("erased", erased, err)
	// Output:
	// 1 order-1 no such article
	// 2 order-2 no such article
	// back to orders.new is order-1
	// there are only 2
	// erased 2 <nil>
}
