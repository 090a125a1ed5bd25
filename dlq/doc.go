// Package dlq keeps messages whose attempts are used up, and lets people look into them, move them back and erase them.
//
// A service that already runs a Watermill router puts the middleware around its handlers, whatever the transport:
//
//	poison, err := dlq.Middleware(backend.DeadLetters, "orders", nil)
//	if err != nil {
//		return err
//	}
//	router.AddMiddleware(poison)
//	router.AddConsumerHandler("orders", "orders", subscriber, handle)
//
// or hands a Publisher to Watermill's own middleware.PoisonQueue. Then the Manager has the rest:
//
//	manager := dlq.NewManager(backend.DeadLetters, logger)
//	page, err := manager.List(ctx, "orders", dlq.Query{Limit: 20})
//	if err != nil {
//		return err
//	}
//	for _, entry := range page.Entries {
//		fmt.Println(entry.ID, entry.Failure.Message, len(entry.Attempts))
//	}
//	entry, err := manager.RetryOldest(ctx, "orders") // back to the topic it came from
//	erased, err := manager.Erase(ctx, "orders", dlq.Filter{}, page.Total-1)
//
// # Guarantees
//
// A message is acknowledged only when its entry is stored; until then it stays where it is and comes back with a delay.
// A DLQ holds at most one entry of a message, so a crash in between leaves exactly one. An entry is moved back once,
// however many ask for it at the same time, where the store and the transport share a database. Payloads are kept
// byte for byte. Later failures are added to an entry's attempts and never overwrite the first.
//
// # Concurrency and shutdown
//
// Everything may be called from any goroutine, and nothing here owns one. A shutdown that cancels handlers makes no dead
// letters.
package dlq
