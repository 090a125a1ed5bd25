package queue

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/retry"
)

func TestLost(t *testing.T) {
	t.Parallel()
	before := retry.History{{Number: 7, Error: "boom"}}
	for name, c := range map[string]struct {
		relay    bool
		began    time.Duration // ago; 0 when nobody knows
		attempts int
		numbers  []int // of the history; nil where it stays as it is
	}{
		"one":                     {began: time.Minute, attempts: 1, numbers: []int{7, 8}},
		"several":                 {began: time.Minute, attempts: 3, numbers: []int{7, 8, 9, 10}},
		"nobody knows since when": {attempts: 1, numbers: []int{7, 8}},
		"a relay's":               {relay: true, began: time.Minute, attempts: 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				cfg := asyncevents.SubscriberConfig{
					Lease: 4 * time.Second, Policy: retry.Fixed(time.Hour), Relay: c.relay,
				}.WithDefaults()
				claimed := &Claimed{
					ID: 1, Owner: 2, Attempt: 3, History: before.String(),
					Metadata: message.Metadata{"k": "v", retry.MetadataAttempt: "3"},
				}
				if c.began > 0 {
					claimed.ClaimedAt = time.Now().Add(-c.began)
				}
				s := Lost(&cfg, claimed, c.attempts)
				assert.Equal(t, Held{1, 2}, Held{s.ID, s.Owner})
				assert.Equal(t, Later, s.Outcome)
				assert.GreaterOrEqual(t, s.After, time.Hour)
				assert.Less(t, s.After, time.Hour+3*time.Second, "a quarter of the lease for each attempt")
				if c.numbers == nil {
					assert.Nil(t, s.Metadata)
					return
				}
				assert.Equal(t, message.Metadata{"k": "v"}, s.Metadata)
				requireLost(t, s.History, c.numbers, c.began)
			})
		})
	}
}

// requireLost requires a history of attempts of which the first ended, and the others took so long.
func requireLost(t *testing.T, text string, numbers []int, took time.Duration) {
	t.Helper()
	history, err := retry.ParseHistory(text)
	require.NoError(t, err)
	require.Len(t, history, len(numbers))
	for i, a := range history {
		assert.Equal(t, numbers[i], a.Number)
		if i > 0 {
			assert.Equal(t, errLost.Error(), a.Error)
			assert.Equal(t, took.Milliseconds(), a.DurationMS)
			assert.Equal(t, time.Now().Add(-took).UTC(), a.StartedAt)
		}
	}
}

func TestClaimOfAnyDriver(t *testing.T) {
	t.Parallel()
	made := &Claim{ID: 1, Owner: 2, Driver: &endless{}}
	ctx := withClaim(t.Context(), made)
	claim, ok := ClaimOf(ctx)
	require.True(t, ok)
	assert.Same(t, made, claim)
	_, ok = ClaimFrom(ctx, &silent{})
	assert.False(t, ok, "another driver's")
	_, ok = ClaimOf(t.Context())
	assert.False(t, ok)
}
