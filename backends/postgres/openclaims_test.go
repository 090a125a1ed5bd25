package postgres

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/redrive-go/redrive/backends/internal/queue"
)

func TestOpenClaims(t *testing.T) {
	t.Parallel()
	var o openClaims
	take := func() []int64 {
		ended, _ := o.take()
		return ended
	}
	o.add(7, 2)
	o.add(8, 1)
	o.add(9, 0)
	assert.Empty(t, take())
	o.settled([]queue.Settlement{{ID: 1, Owner: 7}, {ID: 3, Owner: 8}, {ID: 4, Owner: 99}})
	ended, giveBack := o.take()
	assert.Equal(t, []int64{8}, ended)
	giveBack()
	o.settled([]queue.Settlement{{ID: 2, Owner: 7}})
	assert.Equal(t, []int64{8, 7}, take())
	assert.NotNil(t, take(), "an empty array, not NULL")
	assert.Empty(t, o.open)

	for claim := range int64(crowd + 1) {
		o.add(claim+1, 1)
	}
	for _, c := range o.open {
		c.made = time.Now().Add(-old - 1)
	}
	o.add(1<<40, 1)
	assert.Len(t, o.open, 1, "what nobody settles is forgotten in time")
}
