package memory

import (
	"math"
	"strconv"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/backends/internal/queue"
	"github.com/redrive-go/redrive/dlq"
)

const million = 1_000_000

// BenchmarkClaimAndSettle takes batches of 100 from a topic in which a million wait, and puts as many in.
func BenchmarkClaimAndSettle(b *testing.B) {
	d := newState().driver
	batch := make([]*message.Message, 100)
	for i := range batch {
		batch[i] = message.NewMessage(strconv.Itoa(i), []byte("payload"))
	}
	for range million / len(batch) {
		require.NoError(b, d.Publish(b.Context(), "t", batch...))
	}
	for owner := int64(1); b.Loop(); owner++ {
		claimed, _, err := d.Claim(b.Context(), queue.ClaimParams{Topic: "t", Owner: owner, Limit: 100, Lease: time.Minute})
		require.NoError(b, err)
		settlements := make([]queue.Settlement, len(claimed))
		for i, c := range claimed {
			settlements[i] = queue.Settlement{ID: c.ID, Owner: owner}
		}
		_, err = d.Settle(b.Context(), settlements)
		require.NoError(b, err)
		require.NoError(b, d.Publish(b.Context(), "t", batch...))
	}
}

// BenchmarkDeadLetters reads and moves with a million entries in the DLQ.
func BenchmarkDeadLetters(b *testing.B) {
	d, _ := filled(b, million)
	b.Run("first page", func(b *testing.B) {
		for b.Loop() {
			_, err := d.List(b.Context(), dlq.ListParams{Queue: "q", Limit: 50})
			require.NoError(b, err)
		}
	})
	b.Run("size", func(b *testing.B) {
		for b.Loop() {
			_, err := d.Stat(b.Context(), "q")
			require.NoError(b, err)
		}
	})
	b.Run("redrive the oldest 100 and add as many", func(b *testing.B) {
		for next := million; b.Loop(); next += 100 {
			_, err := d.Redrive(b.Context(), dlq.RedriveParams{Queue: "q", Selection: dlq.Selection{UpTo: math.MaxInt64, Limit: 100}})
			require.NoError(b, err)
			for i := range 100 {
				letter := dlq.Entry{Queue: "q", Topic: "t", MessageID: strconv.Itoa(next + i)}
				require.NoError(b, d.Add(b.Context(), letter))
			}
		}
	})
}
