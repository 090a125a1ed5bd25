package queue

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
)

// silent is a driver that stops answering: its calls hang until their contexts end or, if it is deaf as well, until it is
// woken.
type silent struct {
	endless
	hangs chan struct{} // closed: from now on
	deaf  chan struct{} // when not nil, closed to wake it
}

func (s *silent) answer(ctx context.Context) error {
	select {
	case <-s.hangs:
	default:
		return nil
	}
	if s.deaf != nil {
		<-s.deaf
		return ErrClosed
	}
	<-ctx.Done()
	return ctx.Err()
}

func (s *silent) Claim(ctx context.Context, p ClaimParams) ([]Claimed, time.Duration, error) {
	if err := s.answer(ctx); err != nil {
		return nil, 0, err
	}
	return s.endless.Claim(ctx, p)
}

func (s *silent) Settle(ctx context.Context, settlements []Settlement) ([]bool, error) {
	if err := s.answer(ctx); err != nil {
		return nil, err
	}
	return s.endless.Settle(ctx, settlements)
}

func (s *silent) Renew(ctx context.Context, _ []Held, _ time.Duration) ([]Held, error) {
	return nil, s.answer(ctx)
}

func (s *silent) Expired(ctx context.Context, _ string, _ int) ([]Claimed, error) {
	return nil, s.answer(ctx)
}

// A consumer ends in time whatever its store does, and whatever its handlers do meanwhile.
func TestCloseWithoutAStore(t *testing.T) {
	t.Parallel()
	const concurrency, closeTimeout = 50, 10 * time.Second
	for name, c := range map[string]struct {
		deaf    bool
		handler func(*message.Message)
	}{
		"handlers that have ended":          {handler: func(msg *message.Message) { msg.Ack() }},
		"handlers that failed":              {handler: func(msg *message.Message) { msg.Nack() }},
		"handlers that do not end":          {handler: func(*message.Message) {}},
		"a store that does not hear either": {deaf: true, handler: func(msg *message.Message) { msg.Ack() }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &silent{endless: endless{takes: time.Millisecond}, hangs: make(chan struct{})}
				if c.deaf {
					s.deaf = make(chan struct{})
					defer close(s.deaf)
				}
				sub, err := NewSubscriber(s, asyncevents.SubscriberConfig{Concurrency: concurrency, CloseTimeout: closeTimeout},
					slog.New(slog.DiscardHandler))
				require.NoError(t, err)
				messages, err := sub.Subscribe(context.Background(), "t")
				require.NoError(t, err)
				var held [concurrency]*message.Message
				for i := range held {
					held[i] = <-messages
				}
				close(s.hangs)
				for _, msg := range held {
					c.handler(msg)
				}
				time.Sleep(5 * time.Second) // everything hangs
				began := time.Now()
				require.NoError(t, sub.Close())
				assert.LessOrEqual(t, time.Since(began), closeTimeout+leaveTime)
				_, open := <-messages
				assert.False(t, open)
			})
		})
	}
}

// Nothing stands in the way of a shutdown when as many outcomes wait for the store as may, and messages that it must give back.
func TestCloseWhileOutcomesPileUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &piling{endless: endless{takes: time.Millisecond}}
		sub, err := NewSubscriber(p, asyncevents.SubscriberConfig{Concurrency: 10, CloseTimeout: time.Second},
			slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		messages, err := sub.Subscribe(context.Background(), "t")
		require.NoError(t, err)
		for range 20 {
			(<-messages).Ack()
		}
		time.Sleep(time.Second) // what was claimed ahead is to go back
		began := time.Now()
		require.NoError(t, sub.Close())
		assert.Equal(t, time.Second+leaveTime, time.Since(began))
	})
}

// piling is a driver that takes no outcomes.
type piling struct{ endless }

func (p *piling) Settle(ctx context.Context, _ []Settlement) ([]bool, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// What was not settled in time was not lost: the messages are held still, until their leases run out.
func TestCloseGivesBackInTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &silent{endless: endless{takes: time.Millisecond}, hangs: make(chan struct{})}
		sub, err := NewSubscriber(s, asyncevents.SubscriberConfig{Concurrency: 10}, slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		messages, err := sub.Subscribe(context.Background(), "t")
		require.NoError(t, err)
		msg := <-messages
		synctest.Wait()
		began := time.Now()
		require.NoError(t, sub.Close())
		assert.Equal(t, asyncevents.DefaultCloseTimeout, time.Since(began), "a store that answers takes no longer")
		require.Error(t, msg.Context().Err())
		assert.Zero(t, s.held)
		assert.Equal(t, 9, s.returned, "all but the one that a handler has seen")
	})
}
