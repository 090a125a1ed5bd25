package asyncevents_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
)

// A batch is taken with one answer an event, in order, and each of them is processed once, however often the batch comes.
func TestBatch(t *testing.T) {
	onEach(t, func(t *testing.T, b *asyncevents.Backend) {
		var seen starts
		s, _ := run(t, b, working(&seen, 0), nil)
		batch := make([]asyncevents.Submission, asyncevents.MaxBatch)
		for i := range batch {
			batch[i].Body = fmt.Appendf(nil, `{"correlation_id":"b%d"}`, (i*7919)%asyncevents.MaxBatch)
			if i%10 == 0 {
				batch[i] = asyncevents.Submission{Body: fmt.Appendf(nil, `{"n":%d}`, i), IdempotencyKey: fmt.Sprint("key", i)}
			}
		}
		batch[1] = asyncevents.Submission{Body: []byte(`{"correlation_id":"no good"}`)}
		batch[3] = batch[2]                                                                             // the same again
		batch[4] = asyncevents.Submission{Body: append([]byte(" "), batch[2].Body...)}                  // another one with its id
		batch[5] = asyncevents.Submission{Body: []byte(`{"x":"` + strings.Repeat("x", 256<<10) + `"}`)} // too large
		const events = asyncevents.MaxBatch - 4
		ids := make([]string, len(batch))
		for i := range ids {
			if batch[i].IdempotencyKey == "" {
				ids[i] = fmt.Sprintf("b%d", (i*7919)%asyncevents.MaxBatch)
			}
		}
		ids[3] = ids[2]
		for round := range 3 {
			results, err := s.AcceptAll(t.Context(), batch)
			require.NoError(t, err)
			require.Len(t, results, len(batch))
			for i, result := range results {
				switch i {
				case 1:
					assert.Equal(t, asyncevents.CodeInvalidProperty, result.Problem.Code)
				case 4:
					assert.Equal(t, asyncevents.CodeIdempotencyConflict, result.Problem.Code)
				case 5:
					assert.Equal(t, asyncevents.CodeTooLarge, result.Problem.Code)
				default:
					require.Nil(t, result.Problem, i)
					assert.Equal(t, round > 0 || i == 3, result.Replayed, i)
					if round == 0 && ids[i] == "" { // made of the key, and always the same
						ids[i] = result.CorrelationID
						assert.NoError(t, uuid.Validate(ids[i]))
					}
					assert.Equal(t, ids[i], result.CorrelationID, i)
				}
			}
		}
		await(t, "a run of each", func() bool { return seen.perEvent()[1] >= events })
		awaitIdle(t, s, asyncevents.EventsQueue)
		assert.Equal(t, map[int]int{1: events}, seen.perEvent())
	})
}

// Where one event of a batch cannot be stored, none of them is.
func TestBatchIsOneTransaction(t *testing.T) {
	onEachStore(t, func(t *testing.T, d *database) {
		s, _ := run(t, d.open(t), working(&starts{}, 0), nil)
		mend := d.injure(t, "BEFORE INSERT ON messages")
		batch := []asyncevents.Submission{{Body: []byte(`{"correlation_id":"one"}`)}, {Body: []byte(`{"correlation_id":"two"}`)}}
		_, err := s.AcceptAll(t.Context(), batch)
		require.Error(t, err)
		for _, id := range []string{"one", "two"} {
			_, err := s.Status(t.Context(), id)
			require.ErrorIs(t, err, asyncevents.ErrNotFound)
		}
		mend()
		results, err := s.AcceptAll(t.Context(), batch)
		require.NoError(t, err)
		for _, result := range results {
			assert.False(t, result.Replayed)
		}
	})
}
