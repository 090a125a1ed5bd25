package postgres

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/redrive-go/redrive/backends/internal/sqlstore"
)

// notifyPause is the least time between two notifications. A lone one goes out at once; under load, whoever listens has
// enough to do anyway.
const notifyPause = 5 * time.Millisecond

// notifyTimeout bounds one notification.
const notifyTimeout = 5 * time.Second

// notify names topics on a channel. It is a transaction of its own, because PostgreSQL commits transactions that notify one
// after the other, and does not wait for the disk: a notification that is lost in a crash is made up for by polling.
const notify = `
	SELECT set_config('synchronous_commit', 'off', true), pg_notify(?, topic) FROM unnest(?::text[]) AS t (topic)`

// notifier tells other processes which topics have new messages.
type notifier struct {
	db      *sqlstore.Server
	channel string
	log     *slog.Logger

	mu      sync.Mutex
	topics  map[string]struct{}
	running bool
}

func newNotifier(db *sqlstore.Server, channel string, log *slog.Logger) *notifier {
	return &notifier{db: db, channel: channel, log: log, topics: map[string]struct{}{}}
}

// announce has a topic named soon. It does not wait for that.
func (n *notifier) announce(topic string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.topics[topic] = struct{}{}
	if n.running || n.db.Ended().Err() != nil {
		return
	}
	n.running = true
	n.db.Go(n.run)
}

// run notifies until there is nothing left to say.
func (n *notifier) run() {
	for topics := n.take(); topics != nil; topics = n.take() {
		n.send(topics)
		select {
		case <-n.db.Ended().Done():
		case <-time.After(notifyPause):
		}
	}
}

// take returns the topics to name; nil ends run.
func (n *notifier) take() (topics []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.db.Ended().Err() == nil {
		for topic := range n.topics {
			topics = append(topics, topic)
		}
	}
	clear(n.topics)
	n.running = topics != nil
	return topics
}

func (n *notifier) send(topics []string) {
	ctx, cancel := context.WithTimeout(n.db.Ended(), notifyTimeout)
	defer cancel()
	if _, err := n.db.Direct(ctx).Exec(notify, n.channel, topics); err != nil && ctx.Err() == nil {
		n.log.Debug("postgres: cannot notify other processes; they poll", "error", err)
	}
}
