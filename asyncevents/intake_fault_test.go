package asyncevents_test

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
)

// Clients hang up as soon as they have sent their event, and send it again: each is one event.
func TestClientsHangUpAndSendAgain(t *testing.T) {
	onEach(t, func(t *testing.T, b *asyncevents.Backend) {
		clients := few(b, 1000)
		var seen starts
		s, _ := run(t, b, working(&seen, 0), nil)
		p := newPosting(t, s)
		u, err := url.Parse(p.url)
		require.NoError(t, err)
		next := make(chan int)
		var sending sync.WaitGroup
		for range 50 {
			sending.Go(func() {
				for n := range next {
					body := fmt.Sprintf(`{"correlation_id":"h%d"}`, n)
					hangUp(t, u, body)
					assert.True(t, p.post(body))
				}
			})
		}
		for n := range clients {
			next <- n
		}
		close(next)
		sending.Wait()
		awaitTally(t, s, p.stop(), map[asyncevents.Status]int{asyncevents.StatusProcessed: clients})
		awaitIdle(t, s, asyncevents.EventsQueue)
		assert.Equal(t, map[int]int{1: clients}, seen.perEvent())
	})
}

// hangUp sends an event without waiting for the answer.
func hangUp(t *testing.T, to *url.URL, body string) {
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", to.Host)
	if !assert.NoError(t, err) {
		return
	}
	_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		to.Path, to.Host, len(body), body)
	assert.NoError(t, err)
	assert.NoError(t, conn.Close())
}

// Many calls with the same id at once make one event.
func TestSameIDAtOnce(t *testing.T) {
	const calls = 100
	onEach(t, func(t *testing.T, b *asyncevents.Backend) {
		ids := few(b, 100)
		var seen starts
		s, _ := run(t, b, working(&seen, 0), nil)
		var fresh atomic.Int64
		for n := range ids {
			body := fmt.Appendf(nil, `{"correlation_id":"same%d"}`, n)
			var calling sync.WaitGroup
			for range calls {
				calling.Go(func() {
					accepted, err := s.Accept(context.Background(), asyncevents.Submission{Body: body})
					assert.NoError(t, err)
					if !accepted.Replayed {
						fresh.Add(1)
					}
				})
			}
			calling.Wait()
		}
		await(t, "a run of each", func() bool { return seen.perEvent()[1] >= ids })
		awaitIdle(t, s, asyncevents.EventsQueue)
		assert.EqualValues(t, ids, fresh.Load())
		assert.Equal(t, map[int]int{1: ids}, seen.perEvent())
	})
}
