// Package apart is what backends share whose transport lives apart from their store, so that no transaction holds both.
//
// Whatever has to be exact goes through the store: it puts a message into a queue of its own, in the transaction that says why,
// and a relay hands the message to the transport. That may happen twice when something breaks, and never not at all. Redriven
// entries go that way, callbacks, events whose id the client chose, those of a host's transaction, and all of them with an outbox.
// The others are recorded first and then handed to the transport at once: nobody else knows their ids.
//
// Files: events.go accepting; relay.go from the store to the transport; transactions.go the host's; store.go what a store must have.
package apart
