package apart

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
)

// committing is a store that accepts everything.
type committing struct{ asyncevents.Store }

func (committing) Accept(context.Context, asyncevents.Acceptance) (asyncevents.Receipt, error) {
	return asyncevents.Receipt{}, nil
}

func (committing) AcceptAll(_ context.Context, batch []asyncevents.Acceptance) ([]asyncevents.Receipt, error) {
	return make([]asyncevents.Receipt, len(batch)), nil
}

// What the store has committed is accepted, also where it cannot be passed on yet: the client must not be told otherwise.
func TestEventsAreAcceptedOnceStored(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	e := &Events{
		Store: committing{}, Outbox: true, Log: slog.New(slog.NewTextHandler(&log, nil)),
		Stored: func(string) error { return errors.New("no relay") },
	}
	event := asyncevents.Acceptance{CorrelationID: "id", Topic: "topic", Message: message.NewMessage("id", nil)}
	_, err := e.Accept(t.Context(), event)
	require.NoError(t, err)
	receipts, err := e.AcceptAll(t.Context(), []asyncevents.Acceptance{event, event})
	require.NoError(t, err)
	assert.Len(t, receipts, 2)
	assert.Equal(t, 2, bytes.Count(log.Bytes(), []byte("no relay")))
}
