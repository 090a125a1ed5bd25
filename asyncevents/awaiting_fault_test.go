package asyncevents_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
)

// Many wait for one event over HTTP, and hear at once that it is done.
func TestManyWaitForAnEvent(t *testing.T) {
	const clients = 50
	onEach(t, func(t *testing.T, b *asyncevents.Backend) {
		hold := make(chan struct{})
		s, _ := run(t, b, func(context.Context, asyncevents.Event) (any, error) {
			<-hold
			return "done", nil
		}, nil)
		id := accept(t, s, `{}`)
		var waiting sync.WaitGroup
		var asking sync.WaitGroup
		asking.Add(clients)
		for range clients {
			waiting.Go(func() {
				r := httptest.NewRequest(http.MethodGet, "/v1/async/events/"+id+"?wait=60s", nil)
				w := httptest.NewRecorder()
				asking.Done()
				s.Handler().ServeHTTP(w, r)
				assert.Equal(t, http.StatusOK, w.Code)
				assert.Contains(t, w.Body.String(), `"status":"processed"`)
			})
		}
		asking.Wait()
		released := time.Now()
		close(hold)
		waiting.Wait()
		require.Less(t, time.Since(released), 20*time.Second)
	})
}
