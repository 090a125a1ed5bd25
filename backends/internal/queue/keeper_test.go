package queue

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
)

// renewing is a driver whose claims are of one message each, that notes how leases are renewed.
type renewing struct {
	endless
	lost  map[int64]bool // messages that somebody else has
	hangs bool           // renewals never end by themselves

	mu    sync.Mutex
	calls []int
}

func (r *renewing) Claim(ctx context.Context, p ClaimParams) (claimed []Claimed, next time.Duration, err error) {
	p.Limit = 1
	claimed, _, err = r.endless.Claim(ctx, p)
	return claimed, 0, err
}

func (r *renewing) Renew(ctx context.Context, claims []Held, _ time.Duration) (lost []Held, err error) {
	r.mu.Lock()
	r.calls = append(r.calls, len(claims))
	r.mu.Unlock()
	if r.hangs {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	for _, c := range claims {
		if r.lost[c.ID] {
			lost = append(lost, c)
		}
	}
	return lost, nil
}

// since returns how many leases each renewal asked for of those that follow so many.
func (r *renewing) since(calls int) []int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.calls[calls:]
}

// holding consumes n messages of a driver, that are held until the end of the test.
func holding(t *testing.T, d Driver, n int) (held []*message.Message) {
	sub, err := NewSubscriber(d, asyncevents.SubscriberConfig{
		Concurrency: n, Lease: 10 * time.Second, AttemptTimeout: time.Hour,
	}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	messages, err := sub.Subscribe(context.Background(), "t")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, sub.Close()) })
	for range n {
		held = append(held, <-messages)
	}
	t.Cleanup(func() {
		for _, msg := range held {
			msg.Ack()
		}
	})
	return held
}

// However many claims a consumer holds, renewing them takes few steps.
func TestRenewsManyClaimsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &renewing{lost: map[int64]bool{7: true, 1100: true}}
		held := holding(t, r, 1200)
		before := len(r.since(0))
		time.Sleep(8 * time.Second) // three rounds, in the first of which all are too young
		synctest.Wait()
		calls := r.since(before)
		assert.Equal(t, []int{500, 500, 198}, calls[len(calls)-3:])
		assert.LessOrEqual(t, len(calls), 3*3)
		for i, msg := range held {
			assert.Equal(t, r.lost[int64(i+1)], msg.Context().Err() != nil, "message %d", i+1)
		}
	})
}

// A renewal that hangs takes no time away from the next round, in which it may work.
func TestRenewalsThatHang(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &renewing{hangs: true}
		held := holding(t, r, 600)
		before := len(r.since(0))
		time.Sleep(10 * time.Second)
		synctest.Wait()
		for _, msg := range held {
			require.NoError(t, msg.Context().Err(), "nobody knows that it is lost")
		}
		assert.GreaterOrEqual(t, len(r.since(before)), 2*3)
	})
}
