package postgres

import "github.com/redrive-go/redrive/backends/internal/sqlstore"

// Publish implements sqlstore.Dialect.
func (d *dialect) Publish(t sqlstore.Tx, messages []sqlstore.Outgoing) error {
	var ready, delayed outgoing
	ready.grow(len(messages))
	for i := range messages {
		if m := &messages[i]; m.Wait > 0 {
			delayed.add(m)
		} else {
			ready.add(m)
		}
	}
	if len(ready.topics) > 0 {
		if _, err := t.Exec(insertMessages, ready.columns()...); err != nil {
			return err
		}
	}
	if len(delayed.topics) > 0 {
		if _, err := t.Exec(insertDelayed, append(delayed.columns(), delayed.waits)...); err != nil {
			return err
		}
	}
	return nil
}

// outgoing is messages by column.
type outgoing struct {
	topics, uuids, metadata, histories []string
	redrives, waits                    []int64
	payloads                           [][]byte
}

func (o *outgoing) grow(n int) {
	o.topics, o.uuids = make([]string, 0, n), make([]string, 0, n)
	o.metadata, o.histories = make([]string, 0, n), make([]string, 0, n)
	o.redrives, o.waits, o.payloads = make([]int64, 0, n), make([]int64, 0, n), make([][]byte, 0, n)
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
