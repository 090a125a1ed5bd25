package watermillsql

import (
	stdsql "database/sql"
	"errors"
	"fmt"

	"github.com/ThreeDotsLabs/watermill-sql/v4/pkg/sql"
	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/redrive-go/redrive/backends/mysql"
	"github.com/redrive-go/redrive/backends/postgres"
)

// ErrPublishOnly is returned to a Subscriber of watermill-sql that is given a Schema.
var ErrPublishOnly = errors.New("the schema is for publishing only: consume with the Subscriber of the backend")

// Schema is a SchemaAdapter for the Publisher of watermill-sql. It may be used by any number of publishers.
type Schema struct{ inserter inserter }

// inserter is what the backends have.
type inserter interface {
	Query(topic string, messages ...*message.Message) (query string, args []any, err error)
}

var _ sql.SchemaAdapter = (*Schema)(nil)

// NewPostgres returns the Schema of the PostgreSQL backend that was opened with the same Config.
func NewPostgres(cfg *postgres.Config) (*Schema, error) {
	i, err := postgres.NewInserter(cfg)
	if err != nil {
		return nil, fmt.Errorf("watermillsql: %w", err)
	}
	return &Schema{i}, nil
}

// NewMySQL returns the Schema of the MySQL backend that was opened with the same Config.
func NewMySQL(cfg *mysql.Config) (*Schema, error) {
	i, err := mysql.NewInserter(cfg)
	if err != nil {
		return nil, fmt.Errorf("watermillsql: %w", err)
	}
	return &Schema{i}, nil
}

// InsertQuery implements sql.SchemaAdapter: the statement of the backend's own Publisher, with Watermill's delay and all
// that travels in the metadata.
func (s *Schema) InsertQuery(params sql.InsertQueryParams) (sql.Query, error) {
	query, args, err := s.inserter.Query(params.Topic, params.Msgs...)
	if err != nil {
		return sql.Query{}, fmt.Errorf("watermillsql: %w", err)
	}
	return sql.Query{Query: query, Args: args}, nil
}

// SelectQuery implements sql.SchemaAdapter. It returns ErrPublishOnly.
func (s *Schema) SelectQuery(sql.SelectQueryParams) (sql.Query, error) {
	return sql.Query{}, fmt.Errorf("watermillsql: %w", ErrPublishOnly)
}

// UnmarshalMessage implements sql.SchemaAdapter. It returns ErrPublishOnly.
func (s *Schema) UnmarshalMessage(sql.UnmarshalMessageParams) (sql.Row, error) {
	return sql.Row{}, fmt.Errorf("watermillsql: %w", ErrPublishOnly)
}

// SchemaInitializingQueries implements sql.SchemaAdapter. There is nothing to run for a topic, so that
// PublisherConfig.AutoInitializeSchema has no effect: the backend makes its tables.
func (s *Schema) SchemaInitializingQueries(sql.SchemaInitializingQueriesParams) ([]sql.Query, error) {
	return nil, nil
}

// SubscribeIsolationLevel implements sql.SchemaAdapter.
func (s *Schema) SubscribeIsolationLevel() stdsql.IsolationLevel { return stdsql.LevelDefault }
