package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/dlq"
)

// storyPatience is how long the story waits for the events to end.
const storyPatience = 20 * time.Second

var errWaited = errors.New("the events do not end")

// story is what happens in the shop, and what is told of it.
type story struct {
	shop   *shop
	bus    *bus
	out    io.Writer
	events []sent
}

// sent is an event that was accepted, for a parcel to a city; its id is "" where it came from elsewhere.
type sent struct{ city, id string }

func (s *story) tell(ctx context.Context) error {
	for _, chapter := range []func(context.Context) error{s.acceptAll, s.publish, s.waitAll, s.mend, s.waitAll, s.show} {
		if err := chapter(ctx); err != nil {
			return err
		}
	}
	return nil
}

// say prints a line.
func (s *story) say(format string, args ...any) { _, _ = fmt.Fprintf(s.out, format+"\n", args...) }

// acceptAll accepts three events: two that travel with NATS, and one whose id keeps it from being taken twice.
func (s *story) acceptAll(ctx context.Context) error {
	for _, e := range []struct{ city, body, what string }{
		{"Rome", `{"data":{"city":"Rome"}}`, "accepted, and travels with NATS"},
		{"Atlantis", `{"data":{"city":"Atlantis"}}`, "accepted, and travels with NATS; no road leads there"},
		{"Oslo", `{"correlation_id":"parcel-to-oslo","data":{"city":"Oslo"}}`, "accepted under an id of the client's, into the store"},
	} {
		accepted, err := s.shop.service.Accept(ctx, asyncevents.Submission{Body: []byte(e.body)})
		if err != nil {
			return err
		}
		s.events = append(s.events, sent{e.city, accepted.CorrelationID})
		s.say("%s: %s", e.city, e.what)
	}
	return nil
}

// publish is another program, which has nothing but NATS.
func (s *story) publish(ctx context.Context) error {
	if _, err := s.bus.js.Publish(ctx, topics[0], []byte(`{"data":{"city":"Bern"}}`)); err != nil {
		return err
	}
	s.events = append(s.events, sent{city: "Bern"})
	s.say("Bern: published to NATS by a program that knows nothing of us")
	return nil
}

// waitAll waits until no event waits any more, with NATS or in the store.
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

// mend is what an operator does about the dead letter.
func (s *story) mend(ctx context.Context) error {
	page, err := s.shop.service.DeadLetters().List(ctx, asyncevents.EventsQueue, dlq.Query{})
	if err != nil {
		return err
	}
	for _, entry := range page.Entries {
		s.say("in the DLQ after %d attempts: %s", len(entry.Attempts), entry.Failure.Message)
		s.shop.build("Atlantis")
		if _, err := s.shop.service.DeadLetters().Retry(ctx, asyncevents.EventsQueue, entry.ID); err != nil {
			return err
		}
		s.say("a road is built, and the entry is redriven")
	}
	return nil
}

// show prints what became of each.
func (s *story) show(ctx context.Context) error {
	s.say("")
	table := tabwriter.NewWriter(s.out, 0, 0, 3, ' ', 0)
	_, _ = fmt.Fprintln(table, "PARCEL TO\tEVENT\tATTEMPTS\tSHIPPED")
	for _, e := range s.events {
		event, err := s.shop.service.Status(ctx, e.id)
		if errors.Is(err, asyncevents.ErrNotFound) {
			event.Status, err = "no record", nil
		}
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%d\t%d\n", e.city, event.Status, event.Attempts, s.shop.count(e.city))
	}
	return table.Flush()
}
