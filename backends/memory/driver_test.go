package memory

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/components/delay"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/internal/queue"
)

// modelMessage is a message as the model of the queue knows it.
type modelMessage struct {
	uuid    string
	due     time.Time
	attempt int
	owner   int64 // 0 while it waits
	lease   time.Time
	id      int64
}

// machine drives a driver and a model of it that is a plain list.
type machine struct {
	ctx      context.Context
	driver   *driver
	messages []*modelMessage
	owners   int64
	// published counts messages: each has a name of its own, also when others are gone.
	published int
}

func (m *machine) waiting(now time.Time) (due, delayed []*modelMessage) {
	for _, msg := range m.messages {
		switch {
		case msg.owner != 0:
		case msg.due.After(now):
			delayed = append(delayed, msg)
		default:
			due = append(due, msg)
		}
	}
	return due, delayed
}

func (m *machine) held() (held []*modelMessage) {
	for _, msg := range m.messages {
		if msg.owner != 0 {
			held = append(held, msg)
		}
	}
	return held
}

func (m *machine) publish(t *rapid.T) {
	wait := time.Duration(rapid.IntRange(0, 5).Draw(t, "wait")) * time.Second
	msg := message.NewMessage(fmt.Sprint("m-", m.published), nil)
	m.published++
	if wait > 0 {
		delay.Message(msg, delay.For(wait))
	}
	require.NoError(t, m.driver.Publish(m.ctx, "t", msg))
	m.messages = append(m.messages, &modelMessage{uuid: msg.UUID, due: time.Now().Add(wait)})
}

func (m *machine) claim(t *rapid.T) {
	now := time.Now()
	m.owners++
	limit := rapid.IntRange(1, 5).Draw(t, "limit")
	lease := time.Duration(rapid.IntRange(1, 5).Draw(t, "lease")) * time.Second
	claimed, next, err := m.driver.Claim(m.ctx, queue.ClaimParams{
		Topic: "t", Owner: m.owners, Limit: limit, Lease: lease,
	})
	require.NoError(t, err)
	due, delayed := m.waiting(now)
	slices.SortStableFunc(due, func(a, b *modelMessage) int { return a.due.Compare(b.due) })
	require.Len(t, claimed, min(limit, len(due)))
	for i, c := range claimed {
		at := slices.IndexFunc(due, func(msg *modelMessage) bool { return msg.uuid == c.UUID })
		require.GreaterOrEqual(t, at, 0)
		require.True(t, due[at].due.Equal(due[i].due), "those due for longest come first")
		msg := due[at]
		msg.attempt++
		msg.id, msg.owner, msg.lease = c.ID, m.owners, now.Add(lease)
		require.Equal(t, msg.attempt, c.Attempt)
		require.Equal(t, m.owners, c.Owner)
	}
	if len(claimed) == limit {
		return
	}
	want := time.Duration(-1)
	if len(delayed) > 0 {
		want = slices.MinFunc(delayed, func(a, b *modelMessage) int { return a.due.Compare(b.due) }).due.Sub(now)
	}
	require.Equal(t, want, next)
}

func (m *machine) settle(t *rapid.T) {
	held := m.held()
	if len(held) == 0 {
		return
	}
	msg := rapid.SampledFrom(held).Draw(t, "message")
	s := queue.Settlement{ID: msg.id, Owner: msg.owner, Outcome: queue.Outcome(rapid.IntRange(0, 2).Draw(t, "outcome"))}
	s.After = time.Duration(rapid.IntRange(0, 3).Draw(t, "after")) * time.Second
	stale := s
	stale.Owner--
	got, err := m.driver.Settle(m.ctx, []queue.Settlement{stale, s, s})
	require.NoError(t, err)
	require.Equal(t, []bool{false, true, false}, got)
	msg.owner = 0
	switch s.Outcome {
	case queue.Done:
		m.messages = slices.DeleteFunc(m.messages, func(other *modelMessage) bool { return other == msg })
	case queue.Later:
		msg.due = time.Now().Add(s.After)
	case queue.Unused:
		msg.attempt--
	}
}

func (m *machine) renew(t *rapid.T) {
	held := m.held()
	if len(held) == 0 {
		return
	}
	msg := rapid.SampledFrom(held).Draw(t, "message")
	claims := []queue.Held{{ID: msg.id, Owner: msg.owner}, {ID: 1 << 40, Owner: msg.owner}, {ID: msg.id, Owner: msg.owner + 1}}
	lost, err := m.driver.Renew(m.ctx, claims, 7*time.Second)
	require.NoError(t, err)
	require.Equal(t, claims[1:], lost)
	msg.lease = time.Now().Add(7 * time.Second)
}

func (m *machine) check(t *rapid.T) {
	now := time.Now()
	due, delayed := m.waiting(now)
	held := m.held()
	backlog, err := m.driver.backlog(m.ctx, "t")
	require.NoError(t, err)
	require.Equal(t, asyncevents.Backlog{
		Ready: int64(len(due)), Delayed: int64(len(delayed)), InFlight: int64(len(held)),
	}, backlog)
	expired, err := m.driver.Expired(m.ctx, "t", 1000)
	require.NoError(t, err)
	var want, got []int64
	for _, msg := range held {
		if !msg.lease.After(now) {
			want = append(want, msg.id)
		}
	}
	for _, c := range expired {
		got = append(got, c.ID)
	}
	slices.SortFunc(want, cmp.Compare)
	slices.SortFunc(got, cmp.Compare)
	require.Equal(t, want, got)
}

// bubble hides the test's deadline from rapid, which must not ask for it while time is synctest's.
type bubble struct{ rapid.TB }

func TestDriverIsAQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(bubble{t}, func(r *rapid.T) {
			m := &machine{ctx: t.Context(), driver: newState().driver}
			r.Repeat(map[string]func(*rapid.T){
				"publish": m.publish,
				"claim":   m.claim,
				"settle":  m.settle,
				"renew":   m.renew,
				"pass time": func(r *rapid.T) {
					time.Sleep(time.Duration(rapid.IntRange(0, 4000).Draw(r, "ms")) * time.Millisecond)
				},
				"": m.check,
			})
		})
	})
}

func TestSchedulesAnnounceOnlyWhatWakesSooner(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newState().driver
		rings, stop := d.Wakes().Listen("t")
		defer stop()
		for _, step := range []struct {
			wait time.Duration
			ring bool
		}{{time.Hour, true}, {2 * time.Hour, false}, {time.Minute, true}, {0, true}} {
			msg := message.NewMessage("m", nil)
			delay.Message(msg, delay.For(step.wait))
			require.NoError(t, d.Publish(t.Context(), "t", msg))
			select {
			case <-rings:
				assert.True(t, step.ring, "%s", step.wait)
			default:
				assert.False(t, step.ring, "%s", step.wait)
			}
		}
	})
}

func TestFifoUsesItsRoomAgain(t *testing.T) {
	t.Parallel()
	var f fifo
	for i := range 100_000 {
		f.push(&item{id: int64(i)})
		if i >= 10 {
			require.EqualValues(t, i-10, f.first().id)
			f.pop()
		}
	}
	assert.Equal(t, 10, f.len())
	assert.Less(t, cap(f.items), 100)
}
