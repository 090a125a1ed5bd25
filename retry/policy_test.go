package retry_test

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/redrive-go/redrive/retry"
)

func ExamplePolicy_Backoff() {
	policy := retry.Policy{MaxAttempts: 5, Jitter: -1} // no jitter, so that the waits can be printed
	for attempt := 1; attempt < policy.MaxAttempts; attempt++ {
		fmt.Printf("after attempt %d: %s\n", attempt, policy.Backoff(attempt))
	}
	// Output:
	// after attempt 1: 1s
	// after attempt 2: 4s
	// after attempt 3: 16s
	// after attempt 4: 1m4s
}

func ExamplePolicy_Next() {
	policy := retry.Fixed(time.Second)
	fmt.Println(policy.Next(1, errors.New("busy")))
	fmt.Println(policy.Next(1, retry.After(time.Minute, errors.New("too many requests"))))
	fmt.Println(policy.Next(1, retry.Permanent(errors.New("no such card"))))
	fmt.Println(policy.Next(5, errors.New("busy")))
	// Output:
	// 1s true
	// 1m0s true
	// 0s false
	// 0s false
}

func TestPolicyBackoffIsBounded(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		initial := time.Duration(rapid.Int64Range(1, int64(time.Hour)).Draw(t, "initial"))
		p := retry.Policy{
			InitialBackoff: initial,
			MaxBackoff:     initial + time.Duration(rapid.Int64Range(0, int64(1000*time.Hour)).Draw(t, "more")),
			Multiplier:     rapid.Float64Range(1, 1e6).Draw(t, "multiplier"),
			Jitter:         rapid.Float64Range(0.01, 1).Draw(t, "jitter"),
		}
		require.NoError(t, p.Validate())
		attempt := rapid.IntRange(-1, math.MaxInt32).Draw(t, "attempt")
		exact := p
		exact.Jitter = -1
		base := exact.Backoff(attempt)
		assert.GreaterOrEqual(t, base, p.InitialBackoff)
		assert.LessOrEqual(t, base, p.MaxBackoff)
		got := p.Backoff(attempt)
		assert.GreaterOrEqual(t, got, base, "jitter only adds")
		assert.LessOrEqual(t, float64(got), float64(base)*(1+p.Jitter)+1)
		assert.GreaterOrEqual(t, exact.Backoff(attempt+1), base)
	})
}

func TestPolicyBackoffNeverOverflows(t *testing.T) {
	t.Parallel()
	p := retry.Policy{InitialBackoff: time.Hour, MaxBackoff: math.MaxInt64, Multiplier: 10, Jitter: 1}
	for _, attempt := range []int{1, 20, math.MaxInt} {
		assert.Positive(t, p.Backoff(attempt), attempt)
	}
}

func TestPolicyDefaults(t *testing.T) {
	t.Parallel()
	p := retry.Policy{}.WithDefaults()
	assert.Equal(t, retry.Policy{MaxAttempts: 5, InitialBackoff: time.Second, MaxBackoff: 5 * time.Minute,
		Multiplier: 4, Jitter: 0.2}, p)
	assert.Equal(t, time.Hour, retry.Policy{InitialBackoff: time.Hour}.WithDefaults().MaxBackoff,
		"an initial backoff above the default cap raises it")
	assert.Equal(t, time.Minute, retry.Fixed(time.Minute).Backoff(4))
	_, again := retry.Policy{}.Next(4, errors.New("x"))
	assert.True(t, again)
	_, again = retry.Policy{}.Next(5, errors.New("x"))
	assert.False(t, again, "five attempts in all")
}

func TestPolicyNextKeepsItsOwnBackoffWhenLonger(t *testing.T) {
	t.Parallel()
	wait, again := retry.Fixed(time.Hour).Next(1, retry.After(time.Second, errors.New("x")))
	assert.True(t, again)
	assert.Equal(t, time.Hour, wait)
}

func TestPolicyValidate(t *testing.T) {
	t.Parallel()
	require.NoError(t, retry.Policy{}.Validate())
	err := retry.Policy{MaxAttempts: -1, InitialBackoff: -1, MaxBackoff: -2, Multiplier: 0.5, Jitter: 1.5}.Validate()
	for _, field := range []string{"MaxAttempts", "InitialBackoff", "MaxBackoff", "Multiplier", "Jitter"} {
		require.ErrorContains(t, err, field+" must be")
	}
	for _, multiplier := range []float64{math.NaN(), math.Inf(1)} {
		require.ErrorContains(t, retry.Policy{Multiplier: multiplier}.Validate(), "Multiplier")
	}
	require.ErrorContains(t, retry.Policy{Jitter: math.NaN()}.Validate(), "Jitter")
}
