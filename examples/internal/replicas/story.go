package replicas

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// EventsEach is how many events each replica is sent.
	EventsEach = 100
	// senders is how many are on their way at once.
	senders = 30
	// storyPatience is how long the story waits for the events to be processed.
	storyPatience = 30 * time.Second
)

// story is what happens to the replicas, and what is told of it.
type story struct {
	out      io.Writer
	client   *client
	replicas []*replica
	events   [][]string // the paths at which each replica's events can be asked for, anywhere
	killedAt time.Time
}

func newStory(out io.Writer) *story { return &story{out: out, client: newClient()} }

func (s *story) tell(ctx context.Context) error {
	for _, r := range s.replicas {
		s.say("replica %s serves at %s", r.name, r.url)
	}
	ctx, cancel := context.WithTimeout(ctx, storyPatience)
	defer cancel()
	for _, chapter := range []func(context.Context) error{s.sendAll, s.killOne, s.countAll} {
		if err := chapter(ctx); err != nil {
			return err
		}
	}
	return nil
}

// stop stops the replicas that are left.
func (s *story) stop() (err error) {
	s.client.close()
	for _, r := range s.replicas {
		err = errors.Join(err, r.stop())
	}
	return err
}

// say prints a line.
func (s *story) say(format string, args ...any) { _, _ = fmt.Fprintf(s.out, format+"\n", args...) }

// sendAll sends events to all replicas at once, faster than they are processed.
func (s *story) sendAll(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(senders)
	s.events = make([][]string, len(s.replicas))
	for i := range s.replicas {
		s.events[i] = make([]string, EventsEach)
	}
	for n := range EventsEach {
		for i, r := range s.replicas {
			group.Go(func() (err error) {
				s.events[i][n], err = s.client.send(ctx, r.url)
				return err
			})
		}
	}
	if err := group.Wait(); err != nil {
		return err
	}
	s.say("each accepted %d events", EventsEach)
	return nil
}

// killOne kills the second replica, while it and the others are at work.
func (s *story) killOne(context.Context) error {
	victim := s.replicas[1]
	if err := victim.kill(); err != nil {
		return err
	}
	s.killedAt = time.Now()
	s.say("replica %s is killed while it is at work; the others take over what it had", victim.name)
	return nil
}

// countAll waits until all events are processed, and prints who did it.
func (s *story) countAll(ctx context.Context) error {
	processed, again := map[string]int{}, map[string]int{}
	for _, paths := range s.events {
		for _, path := range paths {
			event, err := s.client.await(ctx, s.replicas[0].url+path) // any other would do
			if err != nil {
				return err
			}
			by := event.Payload.Response.Success.Replica
			processed[by]++
			if event.Payload.Attempts > 1 {
				again[by]++
			}
		}
	}
	s.say("all are processed, %v after that\n", time.Since(s.killedAt).Round(100*time.Millisecond))
	return s.print(processed, again)
}

// print shows the share of each replica.
func (s *story) print(processed, again map[string]int) error {
	table := tabwriter.NewWriter(s.out, 0, 0, 3, ' ', 0)
	_, _ = fmt.Fprintln(table, "REPLICA\tACCEPTED\tPROCESSED\tTAKEN OVER")
	accepted, total, taken := 0, 0, 0
	for i, r := range s.replicas {
		accepted, total, taken = accepted+len(s.events[i]), total+processed[r.name], taken+again[r.name]
		name := r.name
		if r.killed {
			name += ", killed"
		}
		_, _ = fmt.Fprintf(table, "%s\t%d\t%d\t%d\n", name, len(s.events[i]), processed[r.name], again[r.name])
	}
	_, _ = fmt.Fprintf(table, "all\t%d\t%d\t%d\n", accepted, total, taken)
	return table.Flush()
}
