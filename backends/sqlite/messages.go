package sqlite

import (
	"time"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/internal/sqlstore"
)

const (
	insertWaiting = `INSERT INTO deliveries (id, topic, attempt, claim, due, claimed_at) VALUES (?, ?, 0, 0, ?, 0)`

	// What a redrive moves is one topic's entries between two ids. The new ids keep the distances of the old ones.
	redriveMessages = `
		INSERT INTO messages (id, redrives, uuid, metadata, history, payload)
		SELECT id + ?1, redrives + 1, message_id,
			CASE WHEN length(metadata) = 2 THEN ?2 || '}' ELSE ?2 || ',' || substr(metadata, 2) END,
			history, payload
		FROM dead_letters WHERE id BETWEEN ?3 AND ?4 AND topic = ?5`
	redriveEvents = `
		UPDATE events SET status = 'retried', next_attempt_at = 0, updated_at = ?1, redriven_at = ?1 WHERE correlation_id IN (
			SELECT correlation_id FROM dead_letters WHERE id BETWEEN ?2 AND ?3 AND topic = ?4)`
	redriveCallbacks = `
		UPDATE events SET callback = 'pending', callback_next_at = 0, callback_updated_at = ?1, callback_redriven_at = ?1
		WHERE correlation_id IN (SELECT correlation_id FROM dead_letters WHERE id BETWEEN ?2 AND ?3 AND topic = ?4)`
	deleteEntries = `DELETE FROM dead_letters WHERE id BETWEEN ? AND ? AND topic = ?`
)

// messageColumns are the columns of messages.
var messageColumns = []string{"id", "uuid", "metadata", "history", "redrives", "payload"}

// Publish implements sqlstore.Dialect.
func (d *dialect) Publish(t sqlstore.Tx, messages []sqlstore.Outgoing) error {
	for topic, some := range sqlstore.Runs(messages, sqlstore.TopicOf) {
		if err := d.publishTo(t, topic, some); err != nil {
			return err
		}
	}
	return nil
}

func (d *dialect) publishTo(t sqlstore.Tx, name string, messages []sqlstore.Outgoing) error {
	topic, err := topicOf(t, name)
	if err != nil {
		return err
	}
	next := topic.base() + topic.last
	args := make([]any, 0, len(messageColumns)*len(messages))
	for i, m := range messages {
		args = append(args, next+int64(i)+1, m.UUID, m.Metadata, m.History, m.Redrives, m.Payload)
	}
	if _, err := d.Insert(t, "messages", messageColumns, args); err != nil {
		return err
	}
	for i, m := range messages {
		if m.Wait > 0 {
			due := time.Now().Add(m.Wait).UnixMicro()
			if _, err := t.Exec(insertWaiting, next+int64(i)+1, topic.id, due); err != nil {
				return err
			}
		}
	}
	_, err = t.Exec(updateTopic, len(messages), len(messages), topic.id)
	return err
}

// DeleteEvents implements sqlstore.Dialect.
func (*dialect) DeleteEvents(t sqlstore.Tx, ids []any) (removed int64, err error) {
	return sqlstore.DeleteEvents(t, ids)
}

// Step implements sqlstore.Dialect. Nobody else writes meanwhile.
func (*dialect) Step() int { return 250 }

// MoveBack implements sqlstore.Dialect.
func (d *dialect) MoveBack(t sqlstore.Tx, dlq string, s sqlstore.Span) (moved int64, err error) {
	topic, err := topicOf(t, s.Topic)
	if err != nil {
		return 0, err
	}
	shift := topic.base() + topic.last + 1 - s.First
	if moved, err = t.Exec(redriveMessages, shift, s.Mark, s.First, s.Last, s.Topic); err != nil {
		return 0, err
	}
	if _, err := t.Exec(updateTopic, s.Last-s.First+1, moved, topic.id); err != nil {
		return 0, err
	}
	switch dlq {
	case asyncevents.EventsQueue:
		_, err = t.Exec(redriveEvents, s.At, s.First, s.Last, s.Topic)
	case asyncevents.CallbacksQueue:
		_, err = t.Exec(redriveCallbacks, s.At, s.First, s.Last, s.Topic)
	}
	if err != nil {
		return 0, err
	}
	_, err = t.Exec(deleteEntries, s.First, s.Last, s.Topic)
	return moved, err
}
