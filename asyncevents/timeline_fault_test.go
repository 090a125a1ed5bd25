package asyncevents_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/retry"
)

// An event that was dead, moved back by a retry job and processed in the end, tells its whole way afterwards: the one to its
// operators, without the reasons to its client.
func TestTimelineOfARedrivenEvent(t *testing.T) {
	onEach(t, func(t *testing.T, b *asyncevents.Backend) {
		calls := newReceiver(t, func(n int) int {
			if n == 1 {
				return http.StatusInternalServerError
			}
			return http.StatusOK
		})
		s, _ := run(t, b, (&failing{}).process, private)
		acceptMany(t, s, "e", 1, func(i int) string { return calls.url(i) + `,"fail":6` })
		awaitDead(t, s, asyncevents.EventsQueue, 1)
		assert.Equal(t, asyncevents.HappenedDeadLettered, timelineOf(t, s, "e0")[6].What)
		job, err := s.RetryJobs().Start(t.Context(), asyncevents.EventsQueue, "ann", retry.Options{})
		require.NoError(t, err)
		awaitCallback(t, s, "e0", asyncevents.CallbackDelivered)

		var told []string
		line := timelineOf(t, s, "e0")
		for i, m := range line {
			told = append(told, fmt.Sprintf("%s %s %d %s%s", m.Queue, m.What, m.Attempt, m.Error, m.Job))
			assert.False(t, i > 0 && m.At.Before(line[i-1].At), "in order")
		}
		assert.Equal(t, []string{
			"events accepted 0 ",
			"events attempt_failed 1 failure 1", "events attempt_failed 2 failure 2", "events attempt_failed 3 failure 3",
			"events attempt_failed 4 failure 4", "events attempt_failed 5 failure 5", "events dead_lettered 5 ",
			"events redriven 0 " + job.ID, "events attempt_failed 6 failure 6", "events processed 7 ",
			"callbacks attempt_failed 1 " + line[10].Error, "callbacks delivered 2 ",
		}, told)
		assert.Equal(t, http.StatusInternalServerError, line[10].ResponseStatus)
		assertSummary(t, s, line)
	})
}

func timelineOf(t *testing.T, s *asyncevents.Service, id string) []asyncevents.Milestone {
	t.Helper()
	record, err := s.Status(t.Context(), id)
	require.NoError(t, err)
	return record.Timeline()
}

// assertSummary holds that the status answer has all the milestones, and why attempts failed only in the operators' timeline.
func assertSummary(t *testing.T, s *asyncevents.Service, line []asyncevents.Milestone) {
	t.Helper()
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/async/events/e0", nil))
	var answer struct {
		Payload struct{ Timeline []asyncevents.Milestone }
	}
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer))
	for i := range line {
		line[i].Error, line[i].Job, line[i].ResponseStatus = "", "", 0
	}
	assert.Equal(t, line, answer.Payload.Timeline)
}
