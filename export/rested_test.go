package export

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/redrive-go/redrive/dlq"
)

// TestRested has the time of an export in which reading each of ten entries takes so long.
func TestRested(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ each, all time.Duration }{
		"no work":                    {0, 0},
		"half as long as it works":   {4 * time.Millisecond, 60 * time.Millisecond},
		"in slices":                  {slice / 4, 10*slice/4 + 2*slice/2},
		"not for the time of a lull": {time.Minute, 10*time.Minute + 10*maxRest},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				began, count := time.Now(), 0
				for _, err := range rested(func(yield func(dlq.Entry, error) bool) {
					for range 10 {
						time.Sleep(test.each)
						if !yield(dlq.Entry{}, nil) {
							return
						}
					}
				}) {
					assert.NoError(t, err)
					count++
				}
				assert.Equal(t, 10, count)
				assert.Equal(t, test.all, time.Since(began))
			})
		})
	}
}

// Whoever has enough does not wait for a rest.
func TestRestedEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		for range rested(func(yield func(dlq.Entry, error) bool) {
			time.Sleep(time.Second)
			assert.False(t, yield(dlq.Entry{}, nil))
		}) {
			break
		}
		assert.Equal(t, time.Second, time.Since(began))
	})
}
