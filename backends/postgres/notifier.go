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

// notifier tells other processes which topics have new messages.
type notifier struct {
	db      *sqlstore.Server
	channel *channel
	telling telling // of run, which is alone

	mu      sync.Mutex
	topics  map[string]struct{}
	running bool
}

func newNotifier(to *channel, log *slog.Logger) *notifier {
	return &notifier{db: to.db, channel: to, telling: telling{log: log}, topics: map[string]struct{}{}}
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
	err := n.channel.notify(ctx, topics...)
	if n.db.Ended().Err() == nil {
		n.telling.ends(time.Now(), err)
	}
}
