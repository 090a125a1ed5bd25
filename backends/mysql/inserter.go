package mysql

import (
	"fmt"
	"math"
	"slices"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/redrive-go/redrive/backends/internal/sqlstore"
)

// insertNothing takes the place of an INSERT without rows, which MySQL has not.
const insertNothing = "DO 0"

// Inserter makes the statements that publish messages, for those who run them by themselves: within a transaction of the
// host's, say, or through the Publisher of another library as package watermillsql does. It may be used from any number
// of goroutines.
type Inserter struct{ words *sqlstore.Words }

// NewInserter returns an Inserter for the tables of a backend with the same Config, which Open or New has made.
func NewInserter(cfg *Config) (*Inserter, error) {
	names, err := cfg.names()
	if err != nil {
		return nil, fmt.Errorf("mysql: new inserter: %w", err)
	}
	return &Inserter{newWords(names)}, nil
}

// Query returns the one statement that publishes the messages to a topic exactly as Backend.Publisher does, and its
// parameters. It returns an error for a topic's name that is empty, longer than 255 bytes or holds control characters, and
// for a message's id that is longer than 255 bytes. All of the messages must fit into the server's max_allowed_packet
// and, unless the driver's interpolateParams is true, be at most 9,362.
//
// Nobody is woken by it. Consumers find the messages when they poll, once the transaction is committed.
func (i *Inserter) Query(topic string, messages ...*message.Message) (query string, args []any, err error) {
	encoded, err := sqlstore.Encode(topic, messages...)
	if err != nil {
		return "", nil, fmt.Errorf("mysql: insert into %q: %w", topic, err)
	}
	if len(encoded) == 0 {
		return insertNothing, nil, nil
	}
	args = insertion(encoded)
	for row := range slices.Chunk(args, len(messageColumns)) {
		if _, err := insertMessages.size(row, math.MaxInt); err != nil {
			return "", nil, fmt.Errorf("mysql: insert into %q: %w", topic, err)
		}
	}
	return i.words.Of(insertMessages.statement(len(encoded))), bytesOf(args), nil
}
