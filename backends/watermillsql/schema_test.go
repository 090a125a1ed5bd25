package watermillsql_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill-sql/v4/pkg/sql"
	"github.com/ThreeDotsLabs/watermill/components/delay"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/mysql"
	"github.com/redrive-go/redrive/backends/postgres"
	"github.com/redrive-go/redrive/backends/watermillsql"
	"github.com/redrive-go/redrive/retry"
)

const (
	topic    = "shop:orders.v1"
	patience = 20 * time.Second
)

// consume subscribes to a topic until the end of the test.
func (p *place) consume(t *testing.T, topic string) <-chan *message.Message {
	t.Helper()
	subscriber, err := p.backend.Subscriber(asyncevents.SubscriberConfig{
		PollInterval: 20 * time.Millisecond, CloseTimeout: 100 * time.Millisecond,
	})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, subscriber.Close()) })
	messages, err := subscriber.Subscribe(context.Background(), topic)
	require.NoError(t, err)
	return messages
}

func receive(t *testing.T, messages <-chan *message.Message) *message.Message {
	t.Helper()
	select {
	case msg := <-messages:
		require.NotNil(t, msg, "the subscription ended")
		msg.Ack()
		return msg
	case <-time.After(patience):
		require.FailNow(t, "no message came")
		return nil
	}
}

// publish publishes in a transaction, which is committed or rolled back.
func (p *place) publish(t *testing.T, commit bool, messages ...*message.Message) {
	t.Helper()
	tx, err := p.begin(t.Context())
	require.NoError(t, err)
	publisher, err := sql.NewPublisher(tx.tx, sql.PublisherConfig{SchemaAdapter: p.schema}, nil)
	require.NoError(t, err)
	require.NoError(t, publisher.Publish(topic, messages...))
	if commit {
		require.NoError(t, tx.commit())
	} else {
		require.NoError(t, tx.rollback())
	}
}

func TestPublish(t *testing.T) {
	onEachPlace(t, func(t *testing.T, p *place) {
		messages := p.consume(t, topic)
		for n := range 20 {
			p.publish(t, false, message.NewMessage(fmt.Sprintf("undone-%d", n), nil))
			sent := message.NewMessage(watermill.NewUUID(), []byte("\x00\xff'\\ "+strings.Repeat("x", n*1000)))
			sent.Metadata.Set("n", fmt.Sprint(n))
			sent.Metadata.Set("naïve \"key\"", "☃\n{}")
			p.publish(t, true, sent)

			got := receive(t, messages)
			assert.Equal(t, sent.UUID, got.UUID)
			assert.Equal(t, sent.Payload, got.Payload)
			assert.Equal(t, 1, retry.DeliveryOf(got).Attempt)
			assert.Equal(t, sent.Metadata, own(got))
		}
	})
}

// own is the metadata without what the backend adds.
func own(msg *message.Message) message.Metadata {
	metadata := message.Metadata{}
	for key, value := range msg.Metadata {
		if !strings.HasPrefix(key, retry.MetadataPrefix) {
			metadata[key] = value
		}
	}
	return metadata
}

func TestPublishMany(t *testing.T) {
	onEachPlace(t, func(t *testing.T, p *place) {
		p.publish(t, true)
		many, want := make([]*message.Message, 2000), map[string]bool{}
		for i := range many {
			many[i] = message.NewMessage(watermill.NewUUID(), nil)
			want[many[i].UUID] = true
		}
		p.publish(t, true, many...)
		messages := p.consume(t, topic)
		for range many {
			delete(want, receive(t, messages).UUID)
		}
		assert.Empty(t, want)
	})
}

func TestPublishDelayed(t *testing.T) {
	const wait = 300 * time.Millisecond
	onEachPlace(t, func(t *testing.T, p *place) {
		messages := p.consume(t, topic)
		later, now := message.NewMessage("later", nil), message.NewMessage("now", nil)
		delay.Message(later, delay.For(wait))
		later.Metadata.Set("k", "v")
		start := time.Now()
		p.publish(t, true, later, now)
		assert.Equal(t, "now", receive(t, messages).UUID)
		got := receive(t, messages)
		assert.Equal(t, "later", got.UUID)
		assert.GreaterOrEqual(t, time.Since(start), wait)
		assert.Equal(t, message.Metadata{"k": "v"}, own(got))
	})
}

// What watermill-sql writes does not differ from what the backend's own Publisher does.
func TestSameRows(t *testing.T) {
	onEachPlace(t, func(t *testing.T, p *place) {
		history := retry.History{}.Append(retry.Attempt{Number: 1, StartedAt: time.Unix(1, 0).UTC()})
		var sent []*message.Message
		for _, id := range []string{"plain", "redriven", "delayed"} {
			msg := message.NewMessage(id, []byte(id))
			msg.Metadata.Set("k", "☃")
			sent = append(sent, msg)
		}
		sent[1].Metadata.Set(retry.MetadataRedrives, "3")
		sent[1].Metadata.Set(retry.MetadataAttempt, "2")
		sent[1].Metadata.Set(retry.MetadataHistory, history.String())
		delay.Message(sent[2], delay.For(time.Hour))
		p.publish(t, true, sent...)
		require.NoError(t, p.backend.Publisher.Publish("own", sent...))

		theirs, ours := p.rows(t, topic), p.rows(t, "own")
		assert.Len(t, ours, len(sent))
		assert.Equal(t, ours, theirs)
		for queue, want := range map[string]asyncevents.Backlog{topic: {Ready: 2, Delayed: 1}, "own": {Ready: 2, Delayed: 1}} {
			backlog, err := p.backend.Backlog(t.Context(), queue)
			require.NoError(t, err)
			assert.Equal(t, want, backlog)
		}
	})
}

// rows are the messages of a topic as they stand in the table.
func (p *place) rows(t *testing.T, topic string) []string {
	t.Helper()
	rows, err := p.db.QueryContext(t.Context(), `SELECT uuid, metadata, history, redrives, payload, attempt, claim FROM `+
		p.table+` WHERE topic = '`+topic+`' ORDER BY id`)
	require.NoError(t, err)
	defer rows.Close()
	var all []string
	for rows.Next() {
		var uuid, metadata, history, payload []byte
		var redrives, attempt, claim int64
		require.NoError(t, rows.Scan(&uuid, &metadata, &history, &redrives, &payload, &attempt, &claim))
		all = append(all, fmt.Sprintf("%s %s %s %d %s %d %d", uuid, metadata, history, redrives, payload, attempt, claim))
	}
	require.NoError(t, rows.Err())
	return all
}

// AutoInitializeSchema, for which watermill-sql wants more than a transaction, does no harm.
func TestAutoInitializeSchema(t *testing.T) {
	onEachPlace(t, func(t *testing.T, p *place) {
		publisher, err := sql.NewPublisher(p.pool, sql.PublisherConfig{
			SchemaAdapter: p.schema, AutoInitializeSchema: true,
		}, nil)
		require.NoError(t, err)
		require.NoError(t, publisher.Publish(topic, message.NewMessage("m", []byte("p"))))
		assert.Equal(t, "p", string(receive(t, p.consume(t, topic)).Payload))
	})
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	inPostgres, err := watermillsql.NewPostgres(nil)
	require.NoError(t, err)
	inMySQL, err := watermillsql.NewMySQL(nil)
	require.NoError(t, err)
	for _, schema := range []*watermillsql.Schema{inPostgres, inMySQL} {
		_, err = schema.SelectQuery(sql.SelectQueryParams{Topic: topic})
		require.ErrorIs(t, err, watermillsql.ErrPublishOnly)
		_, err = schema.UnmarshalMessage(sql.UnmarshalMessageParams{})
		require.ErrorIs(t, err, watermillsql.ErrPublishOnly)
		for _, bad := range []string{"", strings.Repeat("x", 256), "a\nb"} {
			_, err = schema.InsertQuery(sql.InsertQueryParams{Topic: bad})
			require.ErrorContains(t, err, "malformed topic")
		}
	}
	_, err = inMySQL.InsertQuery(sql.InsertQueryParams{
		Topic: topic, Msgs: message.Messages{message.NewMessage(strings.Repeat("x", 256), nil)},
	})
	require.ErrorContains(t, err, "uuid is too long")

	_, err = watermillsql.NewPostgres(&postgres.Config{TablePrefix: "NO"})
	require.ErrorContains(t, err, "TablePrefix")
	_, err = watermillsql.NewMySQL(&mysql.Config{TablePrefix: "NO"})
	assert.ErrorContains(t, err, "TablePrefix")
}
