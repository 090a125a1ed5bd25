package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/redrive-go/redrive/dlq"
)

// storyPatience is how long the story waits for what must come.
const storyPatience = 10 * time.Second

// errWaited is what the story ends with when something did not come.
var errWaited = errors.New("waited in vain")

// story is what happens in the shop, and what is told of it.
type story struct {
	shop *shop
	out  io.Writer
}

func (s *story) tell(ctx context.Context) error {
	for _, chapter := range []func(context.Context) error{s.sendAll, s.listAll, s.redriveOne, s.listAll} {
		if err := chapter(ctx); err != nil {
			return err
		}
	}
	return nil
}

// say prints a line.
func (s *story) say(format string, args ...any) { _, _ = fmt.Fprintf(s.out, format+"\n", args...) }

// sendAll sends a good and a bad message to each topic, and waits until the bad ones are dead letters.
func (s *story) sendAll(ctx context.Context) error {
	for _, topic := range topics() {
		s.say("sending %[1]s-1, which is fine, and %[1]s-2, whose handler fails", topic)
		good, bad := s.shop.send(topic, topic+"-1", "fine"), s.shop.send(topic, topic+"-2", `{"article":7}`)
		if err := errors.Join(good, bad); err != nil {
			return err
		}
	}
	return wait(ctx, "the dead letters", func() (bool, error) {
		total := int64(0)
		for _, topic := range topics() {
			stats, err := s.shop.letters.Stat(ctx, topic)
			if err != nil {
				return false, err
			}
			total += stats.Count
		}
		return total == int64(len(topics())) && len(s.shop.done()) == len(topics()), nil
	})
}

// listAll shows the DLQs.
func (s *story) listAll(ctx context.Context) error {
	s.say("\nhandled: %v", sorted(s.shop.done()))
	for _, topic := range topics() {
		page, err := s.shop.letters.List(ctx, topic, dlq.Query{})
		if err != nil {
			return err
		}
		s.say("DLQ %q: %d", topic, page.Total)
		for _, e := range page.Entries {
			s.say("  %s, attempts: %d, %s: %s", e.MessageID, len(e.Attempts), e.Failure.Type, e.Failure.Message)
		}
	}
	return nil
}

// redriveOne repairs the shop and moves one dead letter of each DLQ back.
func (s *story) redriveOne(ctx context.Context) error {
	s.say("\nthe warehouse answers again")
	s.shop.repaired.Store(true)
	for _, topic := range topics() {
		entry, err := s.shop.letters.RetryOldest(ctx, topic)
		if err != nil {
			return err
		}
		s.say("moved %s back to the topic %q", entry.MessageID, entry.Topic)
	}
	return wait(ctx, "the redriven messages", func() (bool, error) { return len(s.shop.done()) == 2*len(topics()), nil })
}

func topics() []string { return []string{topicOrders, topicMails, topicClicks} }

func sorted(ids []string) []string {
	slices.Sort(ids)
	return ids
}

// wait asks until the answer is yes.
func wait(ctx context.Context, what string, ask func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, storyPatience)
	defer cancel()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		if ok, err := ask(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w for %s: %w", errWaited, what, ctx.Err())
		case <-ticker.C:
		}
	}
}
