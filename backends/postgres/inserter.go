package postgres

import (
	"fmt"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/redrive-go/redrive/backends/internal/sqlstore"
)

// Inserter makes the statements that publish messages, for those who run them by themselves: within a transaction of the
// host's, say, or through the Publisher of another library as package watermillsql does. It may be used from any number
// of goroutines.
type Inserter struct{ words *sqlstore.Words }

// NewInserter returns an Inserter for the tables of a backend with the same Config, which Open or New has made.
func NewInserter(cfg *Config) (*Inserter, error) {
	names, err := cfg.names()
	if err != nil {
		return nil, fmt.Errorf("postgres: new inserter: %w", err)
	}
	return &Inserter{newWords(names)}, nil
}

// Query returns the one statement that publishes the messages to a topic exactly as Backend.Publisher does, and its
// parameters, which are arrays: the driver must be pgx, alone or below database/sql. It returns an error for a topic's
// name that is empty, longer than 255 bytes or holds control characters.
//
// Nobody is woken by it. Consumers find the messages when they poll, once the transaction is committed.
func (i *Inserter) Query(topic string, messages ...*message.Message) (query string, args []any, err error) {
	encoded, err := sqlstore.Encode(topic, messages...)
	if err != nil {
		return "", nil, fmt.Errorf("postgres: insert into %q: %w", topic, err)
	}
	statement, args := insertion(encoded)
	return i.words.Of(statement), args, nil
}
