package dlq_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/dlq"
)

func TestRetryEdited(t *testing.T) {
	store := &fake{}
	m := dlq.NewManager(store, quiet)
	for _, id := range []string{"m-1", "m-2"} {
		require.NoError(t, store.Add(t.Context(), dlq.Entry{
			Queue: "events", MessageID: id, CorrelationID: "e", Payload: []byte("first " + id),
		}))
	}
	before, err := m.Get(t.Context(), "events", 2)
	require.NoError(t, err)
	_, err = m.Original(t.Context(), &before)
	require.ErrorIs(t, err, dlq.ErrNotFound)

	for id := range int64(2) {
		moved, err := m.RetryEdited(t.Context(), "events", id+1, []byte("second"))
		require.NoError(t, err)
		assert.Equal(t, "second", string(moved.Payload))
	}
	_, err = m.RetryEdited(t.Context(), "events", 2, []byte("third"))
	require.ErrorIs(t, err, dlq.ErrNotFound)

	original, err := m.Original(t.Context(), &before)
	require.NoError(t, err)
	assert.Equal(t, "first m-2", string(original.Payload), "that of the message, not of another one of the event")
	assert.Equal(t, "events", original.Queue)
}
