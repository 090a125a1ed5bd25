package foreign

import (
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestRecentForgets(t *testing.T) {
	t.Parallel()
	const size = 10
	r := newRecent(size)
	for i := range 5 * size {
		id := strconv.Itoa(i)
		assert.True(t, r.begin(id))
		r.end(id, true)
		for back := range min(i, size) {
			assert.False(t, r.begin(strconv.Itoa(i-back)), "the latest are known")
		}
		assert.LessOrEqual(t, len(r.young)+len(r.old), 2*size)
	}
	assert.True(t, r.begin("0"), "the first are not")
	r.end("0", false)
	assert.True(t, r.begin("0"), "what was not taken is not known")
	r.end("0", true)
	assert.Empty(t, r.busy)
}

// Of those that come at the same time one is taken, be it that others failed before.
func TestRecentTakesOne(t *testing.T) {
	t.Parallel()
	r := newRecent(10)
	var tries, taken atomic.Int64
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() {
			if r.begin("id") {
				ok := tries.Add(1) == 5
				if ok {
					taken.Add(1)
				}
				r.end("id", ok)
			}
		})
	}
	group.Wait()
	assert.EqualValues(t, 5, tries.Load())
	assert.EqualValues(t, 1, taken.Load())
}
