// Package retry decides how often something is tried and how long it waits in between, and moves dead letters back in
// batches.
//
// A Policy turns the number of an attempt and its error into a wait, or into the end. A processor can overrule it:
//
//	func process(ctx context.Context, event asyncevents.Event) (any, error) {
//		err := charge(ctx, event)
//		switch {
//		case errors.Is(err, errCardUnknown):
//			return nil, retry.Permanent(err) // no use in trying again
//		case errors.Is(err, errBusy):
//			return nil, retry.After(time.Minute, err) // not before then
//		}
//		return nil, err // the policy decides
//	}
//
// A Runner moves what stands in a dead-letter queue back to where it came from: a batch, a cooldown, the next batch.
//
//	manager := dlq.NewManager(backend.DeadLetters, nil)
//	runner, err := retry.NewRunner(backend.Jobs, manager, []string{"orders"}, nil)
//	if err != nil {
//		return err
//	}
//	go runner.Run(ctx)
//	job, err := runner.Start(ctx, "orders", "alice", retry.Options{})
//
// # Guarantees
//
// A job moves what stood in the queue when it was started, and nothing that came in later, so that entries which fail
// again are left alone and the job ends. At most one job of a queue runs, however many processes share the store. It
// belongs to the process that holds its lease; when that one dies, another goes on in the middle of the batch. What
// was moved is counted in the transaction that moved it: each entry is moved once where the store and the transport
// share a database. A stop takes effect after the step under way, of at most 1,000 entries. While the store cannot be
// reached, a job waits; it does not fail.
//
// # Concurrency and shutdown
//
// Everything may be called from any goroutine. Runner.Run owns its goroutines and returns when its context has ended
// and the steps under way are done, after 5 s at the latest; jobs go on with the next Runner of the same store.
package retry
