package bench

import (
	"context"
	"testing"

	"github.com/ThreeDotsLabs/watermill"
	watermillsql "github.com/ThreeDotsLabs/watermill-sql/v4/pkg/sql"
	"github.com/ThreeDotsLabs/watermill/message"
)

// watermillMode is one of watermill-sql's two ways to keep messages in PostgreSQL.
type watermillMode struct {
	name    string
	schema  watermillsql.SchemaAdapter
	offsets watermillsql.OffsetsAdapter
}

var watermillModes = []watermillMode{
	{"queue", watermillsql.PostgreSQLQueueSchema{}, watermillsql.PostgreSQLQueueOffsetsAdapter{DeleteOnAck: true}},
	{"consumer-group", watermillsql.DefaultPostgreSQLSchema{}, watermillsql.DefaultPostgreSQLOffsetsAdapter{}},
}

func watermillPublisher(b *testing.B, db watermillsql.Beginner, schema watermillsql.SchemaAdapter) message.Publisher {
	cfg := watermillsql.PublisherConfig{SchemaAdapter: schema, AutoInitializeSchema: true}
	publisher, err := watermillsql.NewPublisher(db, cfg, watermill.NopLogger{})
	must(b, err)
	return publisher
}

// acceptWatermillSQL publishes one event a call.
func acceptWatermillSQL(b *testing.B, callers int) {
	db := watermillsql.BeginnerFromPgx(postgresPool(b, postgresDatabase(b), watermillPublishConnections))
	publisher := watermillPublisher(b, db, watermillsql.DefaultPostgreSQLSchema{})
	publish(b, publisher, 1) // makes the table
	accepted(b, callers, func(context.Context) error {
		return publisher.Publish("bench", message.NewMessage(watermill.NewUUID(), body))
	})
}

// consumeWatermillSQL consumes what waits, with one subscriber: more make it slower in the one mode and take turns in
// the other.
func consumeWatermillSQL(b *testing.B, mode watermillMode) {
	dsn := postgresDatabase(b)
	db := watermillsql.BeginnerFromPgx(postgresPool(b, dsn, 20))
	publish(b, watermillPublisher(b, db, mode.schema), b.N)
	vacuum(b, dsn)
	sub, err := watermillsql.NewSubscriber(db, watermillsql.SubscriberConfig{
		SchemaAdapter: mode.schema, OffsetsAdapter: mode.offsets, InitializeSchema: true,
	}, watermill.NopLogger{})
	must(b, err)
	routed(b, sub, 0)
}
