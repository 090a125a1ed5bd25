package asyncevents_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/internal/soak"
	"github.com/redrive-go/redrive/retry"
)

// cutting is a place whose connections to the broker go through scissors.
type cutting struct {
	*scissors
	sound *database // with connections that do not
	cut   *database
}

func beforeBroker(t *testing.T) *cutting {
	t.Helper()
	broker, prefix := ownQueues(t)
	u, err := url.Parse(broker)
	require.NoError(t, err)
	s := newScissors(t, "amqp", u.Host)
	u.Host = s.listener.Addr().String()
	d := newFile(t)
	return &cutting{s, carried(d, broker, prefix), carried(d, u.String(), prefix)}
}

// uneven is a processor that fails for ever with some events, and once with others.
type uneven struct{ starts }

func (u *uneven) hopeless(id string) bool { return strings.HasSuffix(id, "0") }

func (u *uneven) process(_ context.Context, e asyncevents.Event) (any, error) {
	n := u.add(e.ID)
	<-time.After(5 * time.Millisecond)
	if u.hopeless(e.ID) || strings.HasSuffix(e.ID, "5") && e.Attempt == 1 {
		return nil, fmt.Errorf("failure %d", n)
	}
	return nil, nil
}

// All connections to the broker are cut every now and then under load: nothing that was accepted is lost, no event goes to the DLQ
// twice, and none is started more often than it may.
func TestBrokerConnectionsCut(t *testing.T) {
	t.Parallel()
	times, every := soak.Long(5, 30), soak.Long(400*time.Millisecond, 2*time.Second)
	c := beforeBroker(t)
	var seen uneven
	s, _ := run(t, c.cut.open(t), seen.process, nil)
	p := newPosting(t, s)
	p.keyless = true
	p.start(8)
	for range times {
		time.Sleep(every)
		c.closeAll()
	}
	more(t, &p.accepted, 10)
	ids := p.stop()
	awaitEnded(t, c.cut, ids)
	awaitIdle(t, s, asyncevents.EventsQueue)
	dead := map[string]int{}
	for _, id := range c.cut.texts(t, `SELECT correlation_id FROM `+c.cut.prefix+`dead_letters`) {
		dead[id]++
	}
	var good []string
	for _, id := range ids {
		if !seen.hopeless(id) {
			good = append(good, id)
		} else if assert.Equal(t, 1, dead[id], id) {
			assert.LessOrEqual(t, len(seen.of(id)), 5, id)
		}
	}
	assertNoneLost(t, c.cut, good)
	assert.Less(t, time.Duration(p.longest.Load()), 5*time.Second)
	starts := 0
	for n, events := range seen.perEvent() {
		starts += n * events
	}
	wanted := len(c.cut.texts(t, `SELECT correlation_id FROM `+c.cut.prefix+`events WHERE status <> 'queued'`)) + 4*len(dead)
	for _, id := range c.cut.processed(t) {
		if strings.HasSuffix(id, "5") {
			wanted++
		}
	}
	t.Logf("%d events over %d cuts: %d refused, the longest POST took %v, %d starts where %d are due",
		len(ids), times, p.refused.Load(), time.Duration(p.longest.Load()), starts, wanted)
	assert.LessOrEqual(t, starts-wanted, times*8, "at most those in flight")
}

// Whatever the publishing of an event is cut at: what was answered is there, and runs once.
func TestPublishIsCutOff(t *testing.T) {
	t.Parallel()
	c := beforeBroker(t)
	var seen starts
	service, err := asyncevents.New(c.cut.open(t), working(&seen, 0), quick(t, nil))
	require.NoError(t, err)
	var ids []string
	refused := 0
	everyCut(t, c.scissors, func(string) {
		for {
			accepted, err := service.Accept(context.Background(), asyncevents.Submission{Body: []byte(`{}`)})
			if err == nil {
				ids = append(ids, accepted.CorrelationID)
				return
			}
			refused++
			time.Sleep(5 * time.Millisecond)
		}
	})
	healthy, _ := run(t, c.sound.open(t), working(&seen, 0), nil)
	awaitTally(t, healthy, ids, map[asyncevents.Status]int{asyncevents.StatusProcessed: len(ids)})
	awaitIdle(t, healthy, asyncevents.EventsQueue)
	assert.Len(t, seen.perEvent(), 1)
	assert.GreaterOrEqual(t, seen.perEvent()[1], len(ids), "what was refused may be there as well")
	t.Logf("%d calls were refused", refused)
}

// A handler goes on while its connection is lost and made again: its outcome counts, and nothing was an attempt but its start.
func TestHandlerOutlastsItsConnection(t *testing.T) {
	t.Parallel()
	for _, fails := range []bool{false, true} {
		for _, away := range []bool{false, true} {
			t.Run(fmt.Sprintf("fails=%v away=%v", fails, away), func(t *testing.T) {
				t.Parallel()
				outlasts(t, fails, away)
			})
		}
	}
}

// outlasts has a handler end while its connection is away, or when it is back.
func outlasts(t *testing.T, fails, away bool) {
	c := beforeBroker(t)
	started, released := make(chan string, 10), make(chan struct{})
	s, stop := run(t, c.cut.open(t), func(_ context.Context, e asyncevents.Event) (any, error) {
		started <- fmt.Sprintf("%s %d", e.ID, e.Attempt)
		if e.ID == "slow" && e.Attempt == 1 {
			<-released
			if fails {
				return nil, errors.New("no")
			}
		}
		return nil, nil
	}, nil)
	accept(t, s, `{"correlation_id":"slow"}`)
	require.Equal(t, "slow 1", <-started)
	if away {
		c.gate.Lock()
	}
	c.closeAll()
	if away {
		close(released)
		if !fails { // else there is nothing to store before the next attempt is with the broker
			awaitStatus(t, s, "slow", asyncevents.StatusProcessed)
		}
		c.gate.Unlock()
	}
	// What comes back to the broker is delivered again before anything else.
	await(t, "an event that is accepted", func() bool {
		_, err := acceptTimed(s, "next")
		return err == nil
	})
	want := []string{"next 1"}
	if fails {
		want = append(want, "slow 2")
	}
	var have []string
	if !away {
		have = append(have, <-started)
		close(released)
	}
	r := awaitStatus(t, s, "slow", asyncevents.StatusProcessed)
	assert.Equal(t, len(want), r.Attempts)
	awaitStatus(t, s, "next", asyncevents.StatusProcessed)
	awaitIdle(t, s, asyncevents.EventsQueue)
	require.NoError(t, stop())
	close(started)
	for start := range started {
		have = append(have, start)
	}
	assert.ElementsMatch(t, want, have)
}

// deleteQueue deletes a queue of the broker with all that is in it, past the library.
func deleteQueue(t *testing.T, url, queue string) {
	t.Helper()
	conn, ch := channelTo(t, url)
	_, err := ch.QueueDelete(queue, false, false, false)
	require.NoError(t, err)
	require.NoError(t, conn.Close())
}

// exists is whether there is a queue.
func exists(t *testing.T, url, queue string) bool {
	t.Helper()
	conn, ch := channelTo(t, url)
	defer func() { assert.NoError(t, conn.Close()) }()
	_, err := ch.QueueDeclarePassive(queue, true, false, false, false, nil)
	var gone *amqp091.Error
	if errors.As(err, &gone) && gone.Code == amqp091.NotFound {
		return false
	}
	require.NoError(t, err)
	return true
}

// Queues are deleted on the broker, which ends their consumers: they are made again, what is accepted arrives, and nothing arrives
// that was never sent.
func TestQueueDeleted(t *testing.T) {
	t.Parallel()
	broker, prefix := ownQueues(t)
	d := carried(newFile(t), broker, prefix)
	queue := prefix + eventsTopic
	var seen starts
	s, _ := run(t, d.open(t), func(_ context.Context, e asyncevents.Event) (any, error) {
		if seen.add(e.ID) == 1 {
			return nil, errors.New("no")
		}
		return nil, nil
	}, func(c *asyncevents.Config) { c.Policy = retry.Fixed(8 * time.Millisecond) })
	p := newPosting(t, s)
	post := func(round string) {
		for _, body := range []string{`{}`, fmt.Sprintf(`{"correlation_id":"after%s"}`, strings.ReplaceAll(round, "#", "-"))} {
			await(t, "an event that is accepted", func() bool { return p.post(body) })
		}
		awaitTally(t, s, p.ids, map[asyncevents.Status]int{asyncevents.StatusProcessed: len(p.ids)})
		awaitIdle(t, s, asyncevents.EventsQueue)
	}
	post("nothing")
	for _, name := range []string{"", "#dropped", "#wait#16", ""} {
		require.True(t, exists(t, broker, queue+name), name)
		deleteQueue(t, broker, queue+name)
		post(fmt.Sprint(len(p.ids), name))
		await(t, queue+name, func() bool { return exists(t, broker, queue+name) })
	}
	assert.Equal(t, map[int]int{2: len(p.ids)}, seen.perEvent())
	assert.Zero(t, count(t, s, asyncevents.EventsQueue))
}

// The queue is deleted again and again while events are published, with what is in it. Nothing hangs, and what is accepted
// afterwards arrives.
func TestQueueDeletedUnderLoad(t *testing.T) {
	t.Parallel()
	broker, prefix := ownQueues(t)
	d := carried(newFile(t), broker, prefix)
	var seen starts
	s, _ := run(t, d.open(t), working(&seen, 0), nil)
	p := newPosting(t, s)
	p.keyless = true
	p.start(8)
	for range 5 {
		more(t, &p.accepted, 50)
		deleteQueue(t, broker, prefix+eventsTopic)
	}
	more(t, &p.accepted, 50)
	accepted := p.stop()
	late := acceptMany(t, s, "late", 50, bare)
	awaitTally(t, s, late, map[asyncevents.Status]int{asyncevents.StatusProcessed: len(late)})
	awaitIdle(t, s, asyncevents.EventsQueue)
	assert.Zero(t, seen.doubled())
	assert.Zero(t, count(t, s, asyncevents.EventsQueue), "no message that was never sent")
	assert.Less(t, time.Duration(p.longest.Load()), 5*time.Second)
	t.Logf("%d accepted, %d of them not in a queue that was deleted, %d refused",
		len(accepted), len(d.processed(t))-len(late), p.refused.Load())
}

// One of three replicas dies, with its connections: the others do its work, soon.
func TestBrokerReplicaDies(t *testing.T) {
	t.Parallel()
	const concurrency = 10
	times, each := soak.Long(1, 5), soak.Long(500, 5000)
	place := carrying(newPostgres)(t)
	for n := range times {
		var seen starts
		var services []*asyncevents.Service
		var first *asyncevents.Backend
		for range 3 {
			b := place.open(t)
			if first == nil {
				first = b
			}
			s, _ := run(t, b, working(&seen, 20*time.Millisecond), func(c *asyncevents.Config) {
				c.Concurrency, c.ShutdownTimeout = concurrency, time.Second // nobody waits for the dead
			})
			services = append(services, s)
		}
		ids := acceptMany(t, services[1], fmt.Sprintf("r%d-", n), each, bare)
		await(t, "work under way", func() bool { return seen.perEvent()[1] > each/10 })
		require.NoError(t, first.Close())
		died := time.Now()
		awaitTally(t, services[1], ids, map[asyncevents.Status]int{asyncevents.StatusProcessed: each})
		t.Logf("all done %v after the death, %d runs doubled", time.Since(died), seen.doubled())
		assert.LessOrEqual(t, seen.doubled(), concurrency)
		awaitIdle(t, services[1], asyncevents.EventsQueue)
	}
}

// A clean end while events come in, again and again: nothing is lost, and nothing runs twice.
func TestStoppedUnderLoad(t *testing.T) {
	const rounds, each = 5, 100
	onEachPlace(t, func(t *testing.T, open place) {
		var seen starts
		b := open(t)
		intake, err := asyncevents.New(b, working(&seen, 0), quick(t, nil))
		require.NoError(t, err)
		for round := range rounds {
			var accepting sync.WaitGroup
			accepting.Go(func() { acceptMany(t, intake, fmt.Sprintf("r%d-", round), each, bare) })
			_, stop := run(t, open(t), working(&seen, 5*time.Millisecond), func(c *asyncevents.Config) { c.Concurrency = 10 })
			await(t, "work under way", func() bool { return seen.perEvent()[1] > each*round/2+20 })
			require.NoError(t, stop())
			accepting.Wait()
		}
		run(t, b, working(&seen, 0), nil)
		await(t, "all to be processed", func() bool { return seen.perEvent()[1] == rounds*each })
		awaitIdle(t, intake, asyncevents.EventsQueue)
		assert.Equal(t, map[int]int{1: rounds * each}, seen.perEvent())
		assert.Zero(t, count(t, intake, asyncevents.EventsQueue))
	})
}

// A whole DLQ goes back to the broker through the store: each entry is moved and counted once, and runs once.
func TestRedriveToTheBroker(t *testing.T) {
	t.Parallel()
	const entries = 1000
	b := carrying(newFile)(t).open(t)
	fill(t, b, entries)
	var seen starts
	s, _ := run(t, b, working(&seen, 0), nil)
	batches(t, s, 300)
	_, err := s.RetryJobs().Start(t.Context(), asyncevents.EventsQueue, "test", retry.Options{})
	require.NoError(t, err)
	assert.EqualValues(t, entries, awaitJob(t, s, retry.StateCompleted).Moved)
	awaitIdle(t, s, asyncevents.EventsQueue)
	assert.Equal(t, map[int]int{1: entries}, seen.perEvent())
	assert.Zero(t, count(t, s, asyncevents.EventsQueue))
}
