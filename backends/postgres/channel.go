package postgres

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/redrive-go/redrive/backends/internal/sqlstore"
)

// notify names topics on a channel. It is a transaction of its own, because PostgreSQL commits transactions that notify one
// after the other, and does not wait for the disk: a notification that is lost in a crash is made up for by polling.
const notify = `
	SELECT set_config('synchronous_commit', 'off', true), pg_notify(?, topic) FROM unnest(?::text[]) AS t (topic)`

// channel is the channel of notifications, the same for all that share the tables. Its name is only known once the server
// was asked where they are.
type channel struct {
	db    *sqlstore.Server
	names sqlstore.Names
	known atomic.Pointer[string]
}

// name is of use once the schema was seen: before, the tables might turn up elsewhere.
func (c *channel) name(ctx context.Context) (string, error) {
	if known := c.known.Load(); known != nil {
		return *known, nil
	}
	names, err := located(c.db.Direct(ctx), c.names)
	if err != nil {
		return "", err
	}
	name := fmt.Sprintf("redrive_%016x", names.Hash("messages"))
	c.known.Store(&name)
	return name, nil
}

// notify tells whoever listens that there are new messages in topics.
func (c *channel) notify(ctx context.Context, topics ...string) error {
	name, err := c.name(ctx)
	if err != nil {
		return err
	}
	return c.send(ctx, name, topics...)
}

// send sends payloads to whoever listens on a channel of any name.
func (c *channel) send(ctx context.Context, name string, payloads ...string) error {
	_, err := c.db.Direct(ctx).Exec(notify, name, payloads)
	return err
}
