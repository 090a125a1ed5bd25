// Package watermillsql lets the Publisher of github.com/ThreeDotsLabs/watermill-sql/v4 write into the queues of the
// backends postgres and mysql. It is for a host that publishes with watermill-sql within its own transactions: the messages
// are there if and only if the transaction commits, and the backend's Subscriber consumes them.
//
//	schema, err := watermillsql.NewPostgres(nil) // once, with the Config of the backend
//	…
//	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
//		… // the host's own writes
//		publisher, err := sql.NewPublisher(sql.TxFromPgx(tx), sql.PublisherConfig{SchemaAdapter: schema}, nil)
//		if err != nil {
//			return err
//		}
//		return publisher.Publish("orders", message.NewMessage(watermill.NewUUID(), payload))
//	})
//
// A new host needs none of it. The backend's own Publisher is the better one outside of transactions, and events for an
// asyncevents.Service are accepted within one by its AcceptTx: only that records them.
//
// # Traps of that Publisher
//
//   - The context of a call's first message is that of the insert. One that ends (the message came from a router, or from
//     a request) breaks the connection off and the transaction with it. Detach it first:
//     msg.SetContext(context.WithoutCancel(msg.Context())).
//   - Names of topics may hold A-Z, a-z, 0-9 and - $ : . _ only.
//   - A logger with trace enabled gets the payloads and metadata of all messages.
//   - Nobody is woken. Consumers, of the same process as well as of others, find the messages by polling: see
//     asyncevents.SubscriberConfig.PollInterval.
//   - All messages of a call are one statement, and an error of it ends the transaction.
//   - What TxFromPgx returns can neither commit nor roll back. End the transaction that it was made of.
//   - On PostgreSQL the driver must be pgx, as pgx.Tx or below database/sql; lib/pq does not know arrays.
//
// # Why a package of its own
//
// watermill-sql links the drivers of PostgreSQL and MySQL, lib/pq among them. Who does not import this package does not
// link them.
package watermillsql
