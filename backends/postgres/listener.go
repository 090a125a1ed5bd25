package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/redrive-go/redrive/backends/internal/queue"
	"github.com/redrive-go/redrive/backends/internal/sqlstore"
)

const (
	// trialTime is how long a notification of our own may take to be heard.
	trialTime = 2 * time.Second
	// listenAgain is after how long a connection that broke is replaced, and listenLater, after how long a route
	// is tried again on which notifications do not come through.
	listenAgain = time.Second
	listenLater = 5 * time.Minute
)

// listener rings the bell for what other processes published.
type listener struct {
	db      *sqlstore.Server
	from    source
	channel *channel
	bell    *queue.Bell
	hearing hearing
}

// run listens until the database is closed. Before the schema was seen, there is nothing to hear.
func (l *listener) run() {
	ctx := l.db.Ended()
	for ctx.Err() == nil {
		wait := listenAgain
		if l.db.Usable(ctx) == nil {
			err := l.listen(ctx)
			if ctx.Err() != nil {
				return
			}
			l.hearing.ends(time.Now(), err)
			if errors.Is(err, errSilent) {
				wait = listenLater
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// listen takes a connection and rings for each notification on it, until it breaks or ctx ends.
func (l *listener) listen(ctx context.Context) error {
	soon, cancel := context.WithTimeout(ctx, sqlstore.WriteTimeout) // the host may hold all of the pool, and that is to be said
	defer cancel()
	channel, err := l.channel.name(soon)
	if err != nil {
		return err
	}
	conn, release, err := l.from.connection(soon)
	if err != nil {
		return err
	}
	defer release()
	if err := l.try(ctx, conn); err != nil {
		return err
	}
	defer unlisten(conn, channel)
	if _, err := conn.Exec(ctx, "LISTEN "+channel); err != nil {
		return err
	}
	l.hearing.begins()
	l.bell.RingAll() // for what was published before
	for {
		n, err := conn.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		l.bell.Ring(n.Payload)
	}
}

// try sends a notification on another connection and waits for it, on a channel that nobody else uses. Behind a pooler that
// hands connections around, the LISTEN stays where no UNLISTEN may reach it: there, all later notifications of the channel
// would be sent to whoever happens to use that connection.
func (l *listener) try(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, trialTime)
	defer cancel()
	channel := "redrive_try_" + strings.ToLower(rand.Text()) // as PostgreSQL reads it where it is not quoted
	defer unlisten(conn, channel)
	if _, err := conn.Exec(ctx, "LISTEN "+channel); err != nil {
		return err
	}
	if err := l.channel.send(ctx, channel, ""); err != nil {
		return err
	}
	for {
		n, err := conn.WaitForNotification(ctx)
		switch {
		case err != nil && ctx.Err() != nil && l.db.Ended().Err() == nil:
			return errSilent
		case err != nil:
			return err
		case n.Channel == channel:
			return nil
		}
	}
}

// unlisten leaves the connection as it was, or closes it: a wait that was broken off has closed it already.
func unlisten(conn *pgx.Conn, channel string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if _, err := conn.Exec(ctx, "UNLISTEN "+channel); err != nil {
		_ = conn.Close(ctx)
	}
}
