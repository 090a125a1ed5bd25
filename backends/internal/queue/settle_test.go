package queue

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// occupied is a driver in which somebody else holds the row of the first message until it is let go.
type occupied struct {
	endless
	let     chan struct{}
	settled chan int64
}

func (o *occupied) Settle(ctx context.Context, settlements []Settlement) ([]bool, error) {
	if slices.ContainsFunc(settlements, func(s Settlement) bool { return s.ID == 1 }) {
		<-o.let
	}
	for _, s := range settlements {
		o.settled <- s.ID
	}
	return o.endless.Settle(ctx, settlements)
}

// A message that a forgotten transaction of the host's holds keeps nobody else's from being settled.
func TestSettlesTouchedClaimsAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := &occupied{let: make(chan struct{}), settled: make(chan int64, 100)}
		held := holding(t, o, 3)
		claim, ok := ClaimFrom(held[0].Context(), o)
		require.True(t, ok)
		claim.MarkTouched()
		for _, msg := range held {
			msg.Nack()
		}
		synctest.Wait()
		assert.Len(t, o.settled, 2)
		close(o.let)
		synctest.Wait()
		assert.Len(t, o.settled, 3)
	})
}
