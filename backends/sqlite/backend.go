package sqlite

import (
	"context"
	"log/slog"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/internal/queue"
)

// Config configures Open. The zero value means the documented defaults.
type Config struct {
	// Logger gets what the backend has to say. Defaults to slog.Default.
	Logger *slog.Logger
}

// Open opens the database file at path, and makes it where there is none; its folder must exist. It returns when the
// schema is up to date. Several processes of one machine may have the same file open.
//
// A file that cannot be used is left exactly as it is: the error says which file and why, and is ErrForeign, ErrNewer
// or ErrDamaged where it is one of these.
func Open(ctx context.Context, path string, cfg *Config) (*asyncevents.Backend, error) {
	if cfg == nil {
		cfg = &Config{}
	}
	db, err := openDatabase(ctx, path)
	if err != nil {
		return nil, err
	}
	driver := newQueueDriver(db)
	return &asyncevents.Backend{
		Name:      "sqlite",
		Publisher: queue.NewPublisher(driver),
		Subscriber: func(sc asyncevents.SubscriberConfig) (message.Subscriber, error) {
			return queue.NewSubscriber(driver, sc, cfg.Logger)
		},
		Events:      newEventStore(db, driver),
		DeadLetters: &deadLetterStore{db: db, queue: driver},
		Jobs:        &jobStore{db},
		Exports:     &exportCatalog{db},
		Audit:       &auditLog{db},
		Backlog:     driver.backlog,
		Ping:        db.ping,
		Close:       db.close,
	}, nil
}
