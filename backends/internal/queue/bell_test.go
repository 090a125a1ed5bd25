package queue_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/redrive-go/redrive/backends/internal/queue"
)

func TestBell(t *testing.T) {
	t.Parallel()
	var bell queue.Bell
	bell.Ring("nobody listens")
	first, stopFirst := bell.Listen("a")
	second, stopSecond := bell.Listen("a")
	other, stopOther := bell.Listen("b")
	defer stopOther()
	for range 3 {
		bell.Ring("a")
	}
	assert.Len(t, first, 1, "rings that were not heard yet count as one")
	assert.Len(t, second, 1)
	assert.Empty(t, other)
	<-first
	stopFirst()
	bell.Ring("a")
	assert.Empty(t, first)
	stopSecond()
	stopSecond()
	bell.Ring("a")
}
