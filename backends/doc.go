// Package backends is where the backends stand, each a package of its own below this one: memory, sqlite and their
// like. This page is the contract that every one of them holds to; package backendtest is the same contract as a test
// suite, which a backend from elsewhere can run as well.
//
// # Backend
//
// Open or New returns an [asyncevents.Backend]: a transport (Publisher, Subscriber) and stores (Events, DeadLetters,
// Jobs, Exports, Audit, Traffic). All of it may be used from any number of goroutines and, where data outlives the process, from
// any number of processes. A call whose context has ended may be refused, and then changes nothing. An error other
// than the documented sentinels means that the store could not be used, and that nothing was changed unless the answer to a
// commit got lost: whoever tries again changes nothing twice. What a caller hands in or gets is its own: changing it changes
// nothing that is stored. Close may be called twice; afterwards every call fails.
//
// # Transport
//
// Publish returns when all of its messages are durable, or with an error, and then none of them is, or all are and the answer
// got lost. Payloads are any
// bytes, metadata any valid UTF-8, and both arrive as they were sent. A message whose metadata carries Watermill's
// delay (components/delay) is not delivered before its time, and is delivered without those keys. A delay that cannot
// be read is none.
//
// Each message is claimed by one consumer at a time, under a lease that is renewed while the handler runs. The claim
// counts the attempt before the handler sees the message: retry.MetadataAttempt is 1 for the first, and counts starts
// that killed the process. A lease that runs out is an attempt that ended without a word: it is added to the history
// in retry.MetadataHistory, and the message comes back after the wait of SubscriberConfig.Policy and a random share of
// the lease, so that messages which were lost together do not come back together. Whoever lost a claim can settle
// nothing with it. A consumer with SubscriberConfig.Relay does the same and leaves history and metadata as they are: what it
// lost, by its lease or a shutdown, was on the way to another transport.
//
// Ack removes the message. Nack brings it back with the metadata that the handler left on it, after the delay that
// stands there or else the policy's; that is a lower bound, and neither holds a place nor a connection. At most
// Concurrency messages are in flight for a subscription; a few more may be claimed for places about to be free.
//
// Close of a Subscriber stops claiming and closes the channels, waits for messages in flight to be settled, at most
// CloseTimeout, then ends their contexts and gives them back. What no handler has seen goes back without an attempt.
// Close returns when all that is done, or two seconds after CloseTimeout: what a store does not take until then comes back
// when its lease has run out.
//
// No order is promised.
//
// # Stores and transport together
//
// Where both share a database, Events.Settle and DeadLetters.Add settle the delivered message whose context (or a
// child of it, such as one by context.WithoutCancel) they are called with, in the same transaction as the rest. With
// a claim that was lost or settled before they return dlq.ErrNotHeld and change nothing. The Ack or Nack that follows
// then does nothing. Called with any other context they touch no message.
//
// Events.Accept publishes in the transaction that records the event, so that there is never the one without the
// other. An event without a message is recorded alone.
//
// DeadLetters.Redrive removes the entry and publishes its message in one transaction: with Redrives one higher,
// an attempt count that starts again, and the history as it is. It sets the event's status to retried where the queue
// is asyncevents.EventsQueue, and its callback's to pending where it is asyncevents.CallbacksQueue, and counts what it
// moved for the retry job that it is told of.
//
// # A transport apart from the store
//
// A transport that does not share the store's database has events recorded without a message, publishes them by itself,
// and takes back with Events.Withdraw what it could not publish. That removes the record alone, and only while it is as
// Accept made it. A crash in between leaves a record of which no message tells, so this is for ids that nobody waits for but
// the call under way (Acceptance.Generated). Other events go into the store's own queue, exactly as above, from where a
// subscriber with SubscriberConfig.Relay hands them on.
//
// Package foreign does so for any Watermill Pub/Sub, the other way round: what the transport carried goes into the store's queue,
// and is delivered from there. Its Backlog knows of what the transport holds only where foreign.Config.Waiting tells.
//
// # Transactions of the host
//
// Where Backend.Transactions is set, AcceptTx and SettleTx do what Accept and Settle do within an open transaction of the
// host's, and neither commit nor roll it back. Until it ends, a message that SettleTx settled belongs to it: nobody else
// claims it or frees its lease, and renewals do not wait. What it accepted is found soon after it commits.
//
// # Stores
//
// [asyncevents.Store], [dlq.Store], [retry.Store], [export.Catalog], [asyncevents.AuditLog] and [asyncevents.TrafficLog] say what
// their methods promise. A Service does without the last, and then shows no history; the suite does not. Times are the store's own clock, so that replicas with different ones agree about leases and delays. Ids of
// dead letters and audit rows grow; an id is never used twice.
package backends

import (
	// For the links above.
	_ "github.com/redrive-go/redrive/asyncevents"
	_ "github.com/redrive-go/redrive/dlq"
	_ "github.com/redrive-go/redrive/export"
	_ "github.com/redrive-go/redrive/retry"
)
