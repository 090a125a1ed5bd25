// Package amqp is the backend that carries events and callbacks with RabbitMQ, on a single broker or a cluster, and remembers
// everything else in a store: package sqlite for one process, postgres or mysql for replicas.
//
//	store, err := postgres.New(ctx, pool, nil)
//	if err != nil {
//		return err
//	}
//	backend, err := amqp.Open(ctx, "amqps://user:password@rabbit.example/prod", store, nil)
//
// # What is where
//
// Each topic has a durable quorum queue of its own name. Beside it are a queue for what the broker drops, TOPIC#dropped, and one
// for each length of wait in use, TOPIC#wait#MILLISECONDS. All are declared where they are missing; one that exists with other
// arguments is ErrMismatch, and then nothing is declared. Statuses, dead letters, jobs, settings, exports and audit are the store's,
// and so is a queue for what is on its way to the broker: redriven entries, callbacks, and events whose id the client chose go
// into it in the transaction that says why, and a relay hands them on.
//
// The backend has three connections: to publish, to consume, and for the rest. The user needs configure, write and read on the
// queues of its topics, and write on amq.default, the default exchange. Services that share a virtual host need prefixes of their own:
// Config.QueuePrefix, or TopicPrefix of the service. A policy that limits the length of queues or the age of messages has the broker
// drop what it hits, into TOPIC#dropped and so into the DLQ, whose entry says why; one with "expires" would delete queues.
//
// # What is promised
//
// Publish returns when the broker has confirmed a routed message, within Config.PublishTimeout; otherwise with an error, and
// intake answers 503. What several messages of one call share is the round trip, not a transaction: after an error some of them may
// be there. Calls that are made at the same time share round trips as well.
//
// A message is acknowledged when what follows it is safe: first the copy that waits for the next attempt, then the record in the
// store, then the acknowledgement. Whatever breaks in between, the broker delivers the message again. What comes again is
// looked up in the store before a handler sees it: where its outcome is recorded, it is acknowledged and nothing else.
//
// Attempts are counted by the broker (x-delivery-count of quorum queues) and by headers of ours, so that a start which kills the
// process counts. A message whose consumer died comes back after a backoff, as with a database: those that were lost together come
// back apart. When only the connection broke, what this process has in hand is known when it comes back: a handler that runs
// goes on, and no attempt is lost. To other replicas what was handed out counts as started.
//
// Waits are made by the broker: they survive restarts and hold no consumer. They are rounded up, by a quarter at most and by 15 seconds
// at most, so that all that wait in one queue wait equally long; those over a minute are made in several turns. A topic has at most
// 112 such queues, and as a rule eight.
//
// A handler may take no longer than the broker's consumer_timeout, 30 minutes unless it is configured: its message is delivered again then.
//
// # Why not watermill-amqp
//
// This package implements the same interfaces of Watermill directly on amqp091-go, because each part of watermill-amqp/v3 stood
// against a promise. Its publisher does not ask for confirms in any preset, counts a message to a missing queue as sent, waits for
// a confirm without a limit when it does ask, and loses a channel of its pool at each failed validation. Its subscriber handles one
// message at a time, answers a failed handler with a nack, which delivers again at once and no longer counts from RabbitMQ 4.3 on,
// and hands out the empty messages that a cancelled consumer yields. Its marshaler refuses any header that is not a
// string, which each redelivery has, and lets large metadata break the connection. Its first connect is not tried again. What it
// publishes can be consumed here: the UUID is read from where it keeps it.
//
// # RabbitMQ 4
//
// From 4.0 on a quorum queue drops what was delivered 20 times, unless it has a limit of its own: the limit here is larger, and what
// is dropped all the same goes to TOPIC#dropped and from there into the DLQ. Nothing is ever answered with a nack, whose meaning
// changed. Mirrored classic queues, which are gone, are not used. What a delivery says of itself was tried by hand-made deliveries;
// the servers of the tests are RabbitMQ 3.10.
//
// # RabbitMQ 3
//
// One that is killed within half a second after a quorum queue was made loses it, so new queues are used a second later. One that is
// killed and started again sometimes leaves a queue without a leader; nobody can use that one until an operator has it
// elect one (rabbitmqctl eval) or starts the broker once more. Waits pass such a queue over; a topic's own cannot be passed over:
// intake answers 503 and says so. Dead-lettering that loses nothing needs the feature flag stream_queue, which is on in new brokers.
package amqp
