package postgres

import (
	"slices"

	"github.com/redrive-go/redrive/backends/internal/sqlstore"
)

// Publish implements sqlstore.Dialect.
func (d *dialect) Publish(t sqlstore.Tx, messages []sqlstore.Outgoing) error {
	statement, args := insertion(messages)
	_, err := t.Exec(statement, args...)
	return err
}

// insertion returns the statement that inserts messages, of any number, and its parameters.
func insertion(messages []sqlstore.Outgoing) (statement string, args []any) {
	o := newOutgoing(messages)
	if slices.ContainsFunc(o.waits, func(wait int64) bool { return wait > 0 }) {
		return insertDelayed, append(o.columns(), o.waits)
	}
	return insertMessages, o.columns()
}

// outgoing is messages by column.
type outgoing struct {
	topics, uuids, metadata, histories []string
	redrives, waits                    []int64
	payloads                           byteArrays
}

func newOutgoing(messages []sqlstore.Outgoing) *outgoing {
	n := len(messages)
	o := &outgoing{
		topics: make([]string, 0, n), uuids: make([]string, 0, n),
		metadata: make([]string, 0, n), histories: make([]string, 0, n),
		redrives: make([]int64, 0, n), waits: make([]int64, 0, n), payloads: make(byteArrays, 0, n),
	}
	for i := range messages {
		o.add(&messages[i])
	}
	return o
}

func (o *outgoing) add(m *sqlstore.Outgoing) {
	o.topics, o.uuids = append(o.topics, m.Topic), append(o.uuids, m.UUID)
	o.metadata, o.histories = append(o.metadata, m.Metadata), append(o.histories, m.History)
	o.redrives, o.payloads = append(o.redrives, m.Redrives), append(o.payloads, m.Payload)
	o.waits = append(o.waits, m.Wait.Microseconds())
}

func (o *outgoing) columns() []any {
	return []any{o.topics, o.uuids, o.metadata, o.histories, o.redrives, o.payloads}
}
