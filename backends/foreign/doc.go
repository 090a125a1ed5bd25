// Package foreign makes a backend of any Watermill Pub/Sub (Kafka, NATS JetStream, cloud queues) and one of the stores: package
// sqlite for one machine, postgres or mysql for replicas.
//
//	store, err := postgres.New(ctx, pool, nil)
//	if err != nil {
//		return err
//	}
//	backend, err := foreign.New(publisher, subscriber, store, &foreign.Config{Name: "nats"})
//
// The example nats (examples/nats) is a whole program.
//
// # What is where
//
// The transport carries an event from the process that accepts it to one that processes. There an inbox takes it into the queue
// that the store has for the same topic, and acknowledges it when it is durable there. From that queue it is delivered as with
// the store alone: claims, leases, attempts, waits and dead letters are the store's, and a settlement is one transaction. So
// nothing is asked of the transport but that it delivers at least once. CompleteTx and AcceptTx work where the store can.
//
// What the transport could lose or double does not go through it, but into the store's queue at once: redriven entries,
// callbacks, events whose id the client chose, those of a host's transaction, all of them with Config.Outbox, and whatever is
// published with a delay or with attempts behind it.
//
// # What the transport needs
//
// Publish of the Publisher has to return when the message is durable: an event is answered with 202 then.
//
// Subscriptions of the Subscriber have to share a topic's messages, in all processes together, as those of one consumer group or
// durable consumer do. Where each of them gets all messages, there can be one process, with Config.Inboxes 1; events still run
// once then, other messages once for each subscription here. Ending a subscription by its context has to be safe, as with most:
// those of watermill-nats v2.1.3 may then send to a channel that they closed, and the example has a Subscriber of its own.
//
// Topics, streams, groups and the like have to be there, or be made by the two of them. The names are those of
// asyncevents.Config.TopicPrefix, such as "redrive.events": the transport has to take them, or the prefix be another. Callbacks
// have a topic as well, to which nothing is published.
//
// A message of others is taken as it comes: one without a UUID gets one, what is not UTF-8 in its metadata is replaced. For the
// service it is an event without a record.
//
// # What is promised
//
// Accept records an event, then publishes it. A Publisher that returns an error has the record withdrawn, and intake answers 503.
// One that does not return within Config.PublishTimeout, or says itself that it ran out of time, leaves the record of an id that
// nobody was told: the message may come yet, and then finds it.
//
// A message that the transport delivers again is a duplicate for the store, which does not know it. Events are recognised, by
// their id: this process remembers what it took lately, and what has been on its way for longer than a second (or as
// Config.Redelivered says) is looked up: it is dropped where an attempt has ended. What remains is an event that is taken in,
// waits or runs for the first time, and is delivered again to another process, since a crash or a broken connection lost the
// acknowledgement. It runs twice. A clean shutdown waits for acknowledgements, where the Subscriber ends a message's context with
// them, as Watermill wants it.
//
// While the store is away nothing is acknowledged: each message in hand is tried again, for a minute, then given back, and no
// more is taken. While the transport is away, what is in the store goes on. Both are found in the log once, and once more when it
// is over.
//
// # Ending
//
// Closing a subscription stops its inbox: what it has begun with is stored and acknowledged or given back, for which it takes
// some seconds at most. The foreign Publisher and Subscriber are the host's, who closes them after the service has ended and the
// backend is closed. Close of the backend closes the store. A Subscriber whose subscriptions cannot be ended by their context
// holds up nothing, but takes messages that nobody stores until it is closed.
package foreign
