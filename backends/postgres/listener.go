package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
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

// errSilent is returned where notifications do not come through, as behind a pooler that hands connections around.
var errSilent = errors.New("notifications do not come through")

// listener rings the bell for what other processes published.
type listener struct {
	db      *sqlstore.Server
	from    source
	channel *channel
	bell    *queue.Bell
	log     *slog.Logger
}

// run listens until the database is closed.
func (l *listener) run() {
	ctx := l.db.Ended()
	for ctx.Err() == nil {
		err := l.db.Usable(ctx) // before, there is nothing to hear
		if err == nil {
			err = l.listen(ctx)
		}
		wait := listenAgain
		if errors.Is(err, errSilent) {
			l.log.Info("postgres: notifications do not come through, as behind a transaction pooler; polling instead")
			wait = listenLater
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// listen takes a connection and rings for each notification on it, until it breaks or ctx ends.
func (l *listener) listen(ctx context.Context) error {
	channel, err := l.channel.name(ctx)
	if err != nil {
		return err
	}
	conn, release, err := l.from.connection(ctx)
	if err != nil {
		return err
	}
	defer release()
	defer unlisten(conn, channel)
	if _, err := conn.Exec(ctx, "LISTEN "+channel); err != nil {
		return err
	}
	if err := l.try(ctx, conn); err != nil {
		return err
	}
	l.bell.RingAll() // for what was published before
	for {
		n, err := conn.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		l.bell.Ring(n.Payload)
	}
}

// try sends a notification on another connection and waits for it.
func (l *listener) try(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, trialTime)
	defer cancel()
	word := "?" + rand.Text() // no topic anybody listens to
	if err := l.channel.notify(ctx, word); err != nil {
		return err
	}
	for {
		n, err := conn.WaitForNotification(ctx)
		switch {
		case err != nil && ctx.Err() != nil && l.db.Ended().Err() == nil:
			return errSilent
		case err != nil:
			return err
		case n.Payload == word:
			return nil
		}
		l.bell.Ring(n.Payload)
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
