package mysql

import "github.com/redrive-go/redrive/backends/internal/sqlstore"

var messageColumns = []string{"topic", "uuid", "metadata", "history", "redrives", "payload", "due"}

var insertMessages = rows{
	into: into("INSERT", "messages", messageColumns), each: "(?, ?, ?, ?, ?, ?, {now} + ?)", columns: messageColumns,
}

// Publish implements sqlstore.Dialect.
func (d *dialect) Publish(t sqlstore.Tx, messages []sqlstore.Outgoing) error {
	_, err := d.exec(t, insertMessages, insertion(messages))
	return err
}

// insertion returns the parameters of insertMessages.
func insertion(messages []sqlstore.Outgoing) []any {
	args := make([]any, 0, len(messages)*len(messageColumns))
	for i := range messages {
		m := &messages[i]
		args = append(args, m.Topic, m.UUID, m.Metadata, m.History, m.Redrives, m.Payload, m.Wait.Microseconds())
	}
	return args
}
