package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/redrive-go/redrive/asyncevents"
)

// storyPatience is how long the story waits for the events to end.
const storyPatience = 20 * time.Second

var (
	errWaited      = errors.New("the events do not end")
	errChangedMind = errors.New("the customer changed their mind")
)

// story is what happens in the shop, and what is told of it.
type story struct {
	shop   *shop
	out    io.Writer
	orders []order
}

func (s *story) tell(ctx context.Context) error {
	for _, chapter := range []func(context.Context) error{s.placeAll, s.waitAll, s.show} {
		if err := chapter(ctx); err != nil {
			return err
		}
	}
	return nil
}

// say prints a line.
func (s *story) say(format string, args ...any) { _, _ = fmt.Fprintf(s.out, format+"\n", args...) }

// placeAll places four orders: one that goes well, one that is rolled back, and two whose processor crashes.
func (s *story) placeAll(ctx context.Context) error {
	stay := func() error { return nil }
	leave := func() error { return errChangedMind }
	for _, p := range []struct {
		order order
		last  func() error
		what  string
	}{
		{order{Article: "a book", Cents: 1200}, stay, "order and event are committed"},
		{order{Article: "a lamp", Cents: 4900}, leave, "order and event are rolled back"},
		{order{Article: "a chair", Cents: 8900, Crash: beforeCommit}, stay, "committed; its processor crashes before its commit"},
		{order{Article: "a table", Cents: 25000, Crash: afterCommit}, stay, "committed; its processor crashes after its commit"},
	} {
		if err := s.shop.place(ctx, &p.order, p.last); err != nil && !errors.Is(err, errChangedMind) {
			return err
		}
		s.orders = append(s.orders, p.order)
		s.say("order %d, %s: %s", p.order.ID, p.order.Article, p.what)
	}
	return nil
}

// waitAll waits until no event waits any more.
func (s *story) waitAll(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, storyPatience)
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		backlog, _, err := s.shop.service.Backlog(ctx, asyncevents.EventsQueue)
		if err != nil {
			return err
		}
		if backlog == (asyncevents.Backlog{}) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", errWaited, ctx.Err())
		case <-ticker.C:
		}
	}
}

// show prints what stands in the database.
func (s *story) show(ctx context.Context) error {
	s.say("")
	table := tabwriter.NewWriter(s.out, 0, 0, 3, ' ', 0)
	_, _ = fmt.Fprintln(table, "ORDER\tROWS\tEVENT\tATTEMPTS\tBOOKINGS")
	for _, o := range s.orders {
		var orders, bookings int
		err := s.shop.pool.QueryRow(ctx, `SELECT (SELECT count(*) FROM outbox_orders WHERE id = $1),
			(SELECT count(*) FROM outbox_bookings WHERE order_id = $1)`, o.ID).Scan(&orders, &bookings)
		if err != nil {
			return err
		}
		event, err := s.shop.service.Status(ctx, o.eventID())
		if errors.Is(err, asyncevents.ErrNotFound) {
			event.Status, err = "none", nil
		}
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintf(table, "%d\t%d\t%s\t%d\t%d\n", o.ID, orders, event.Status, event.Attempts, bookings)
	}
	return table.Flush()
}
