package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/redrive-go/redrive/asyncevents"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStory(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out, slog.New(slog.DiscardHandler)))
	assert.Equal(t, `Rome: accepted, and travels with NATS
Atlantis: accepted, and travels with NATS; no road leads there
Oslo: accepted under an id of the client's, into the store
Bern: published to NATS by a program that knows nothing of us
in the DLQ after 3 attempts: Atlantis: no road leads there
a road is built, and the entry is redriven

PARCEL TO   EVENT       ATTEMPTS   SHIPPED
Rome        processed   1          1
Atlantis    processed   4          1
Oslo        processed   1          1
Bern        no record   0          1
`, out.String())
}

// serve runs the shop's service until what it returns is called.
func serve(t *testing.T, s *shop) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.service.Run(ctx) }()
	return func() {
		cancel()
		require.NoError(t, <-ended)
		require.NoError(t, s.backend.Close())
	}
}

// Whatever is accepted is shipped once, by the service or by the one after it: consumers outlive their subscriptions.
func TestShutdownsUnderLoad(t *testing.T) {
	t.Parallel()
	const rounds, each = 4, 100
	dir := t.TempDir()
	b, err := openBus(t.Context(), dir)
	require.NoError(t, err)
	defer func() { assert.NoError(t, b.close()) }()
	log := slog.New(slog.DiscardHandler)
	shipped := 0
	for round := range rounds {
		s, err := openShop(t.Context(), b, dir, log)
		require.NoError(t, err)
		stop := serve(t, s)
		for i := range each {
			_, err := s.service.Accept(t.Context(), asyncevents.Submission{Body: fmt.Appendf(nil, `{"data":{"city":"Rome"},"n":%d}`, i)})
			require.NoError(t, err)
		}
		if round == rounds-1 {
			require.Eventually(t, func() bool {
				backlog, known, err := s.service.Backlog(t.Context(), asyncevents.EventsQueue)
				return err == nil && known && backlog == asyncevents.Backlog{}
			}, 2*time.Minute, 20*time.Millisecond) // a claim that was left behind has to run out
		}
		stop()
		shipped += s.count("Rome")
	}
	assert.Equal(t, rounds*each, shipped)
}
