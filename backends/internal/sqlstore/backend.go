package sqlstore

import (
	"log/slog"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/internal/queue"
)

// Parts are what NewBackend needs besides a database and a dialect.
type Parts struct {
	// Flushers is how many transactions may write events at once. More than one pays where a server syncs several
	// commits together.
	Flushers int
	// Announce, when not nil, tells other processes of new messages in a topic.
	Announce func(topic string)
	// Join, when not nil, makes a Tx of the host's own transaction.
	Join Join
	// Logger is the host's; nil means slog.Default.
	Logger *slog.Logger
}

// NewBackend puts a backend together. The Queue in it is rung for what other processes announce.
func NewBackend(db Database, dialect Dialect, parts Parts) (*asyncevents.Backend, *Queue) {
	q := NewQueue(db, dialect, parts.Announce)
	letters := NewDeadLetters(db, dialect, q)
	events := NewEvents(db, dialect, q, letters, parts.Flushers)
	b := &asyncevents.Backend{
		Name:      dialect.Name(),
		Publisher: queue.NewPublisher(q),
		Subscriber: func(cfg asyncevents.SubscriberConfig) (message.Subscriber, error) {
			return queue.NewSubscriber(q, cfg, parts.Logger)
		},
		Events:      events,
		DeadLetters: letters,
		Jobs:        NewJobs(db, dialect),
		Exports:     NewExports(db, dialect),
		Audit:       NewAudit(db, dialect),
		Traffic:     NewTraffic(db, dialect),
		Backlog:     q.Backlog,
		Ping:        db.Ping,
		Close:       db.Close,
	}
	if parts.Join != nil {
		b.Transactions = NewTransactions(events, parts.Join)
	}
	return b, q
}
