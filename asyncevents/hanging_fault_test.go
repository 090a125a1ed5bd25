package asyncevents_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/internal/soak"
)

// The server hangs: its connections stay open, and nothing comes back. Callers hear of it within five seconds, those of new
// events, of known ones and of the same one; and when it goes on, so does intake.
func TestServerHangs(t *testing.T) {
	const callers = 60
	lasts := soak.Long(4*time.Second, 30*time.Second)
	behindScissors(t, func(t *testing.T, s *scissors, cut, sound *asyncevents.Backend) {
		service, err := asyncevents.New(cut, hopeless, quick(t, nil))
		require.NoError(t, err)
		ids := acceptMany(t, service, "before", callers, bare)

		s.gate.Lock()
		began := time.Now()
		var longest longest
		var calling sync.WaitGroup
		for caller := range callers {
			calling.Go(func() {
				for n := 0; time.Since(began) < lasts; n++ {
					id := []string{"same", ids[caller], fmt.Sprintf("e%d-%d", caller, n)}[(caller+n)%3]
					took, err := acceptTimed(service, id)
					assert.Error(t, err)
					longest.note(took)
				}
			})
		}
		calling.Wait()
		s.gate.Unlock()
		t.Logf("nobody waited for more than %v", longest.get())
		assert.Less(t, longest.get(), 5*time.Second)

		await(t, "a server that goes on", func() bool {
			_, err := acceptTimed(service, "after")
			return err == nil
		})
		healthy, _ := run(t, sound, working(new(starts), 0), nil)
		awaitTally(t, healthy, append(ids, "after"), map[asyncevents.Status]int{asyncevents.StatusProcessed: callers + 1})
	})
}
