package retry

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// Defaults of Policy.
const (
	DefaultMaxAttempts    = 5
	DefaultInitialBackoff = time.Second
	DefaultMaxBackoff     = 5 * time.Minute
	DefaultMultiplier     = 4.0
	DefaultJitter         = 0.2
)

// Policy says how often a message is tried and how long it waits in between. The zero value means the defaults.
//
// The wait after attempt n is InitialBackoff × Multiplier^(n−1), capped at MaxBackoff, plus a random share of up to
// Jitter of it. It is a lower bound: no attempt starts sooner. With the defaults: 1 s, 4 s, 16 s, 64 s, each up to 20 %
// longer.
type Policy struct {
	// MaxAttempts counts all attempts: 5 is the first and 4 more. At least 1. Defaults to 5.
	MaxAttempts int
	// InitialBackoff is the wait after the first failed attempt. Defaults to 1 s.
	InitialBackoff time.Duration
	// MaxBackoff caps the wait, before jitter. Defaults to 5 minutes.
	MaxBackoff time.Duration
	// Multiplier is by how much each wait is longer than the one before, at least 1. Defaults to 4.
	Multiplier float64
	// Jitter is the largest random share added to a wait, 0 to 1. 0 means the default of 0.2; a negative value
	// means none.
	Jitter float64
}

// Fixed returns a policy of the default number of attempts that waits d, without jitter, after each.
func Fixed(d time.Duration) Policy {
	return Policy{InitialBackoff: d, MaxBackoff: d, Multiplier: 1, Jitter: -1}
}

// WithDefaults returns the policy with its zero fields set to their defaults.
func (p Policy) WithDefaults() Policy {
	if p.MaxAttempts == 0 {
		p.MaxAttempts = DefaultMaxAttempts
	}
	if p.InitialBackoff == 0 {
		p.InitialBackoff = DefaultInitialBackoff
	}
	if p.MaxBackoff == 0 {
		p.MaxBackoff = max(DefaultMaxBackoff, p.InitialBackoff)
	}
	if p.Multiplier == 0 {
		p.Multiplier = DefaultMultiplier
	}
	if p.Jitter == 0 {
		p.Jitter = DefaultJitter
	}
	return p
}

// Validate returns every fault of the policy with its defaults applied, joined, each naming its field and limit.
func (p Policy) Validate() error {
	p = p.WithDefaults()
	var faults []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	check(p.MaxAttempts >= 1, "MaxAttempts must be at least 1, not %d", p.MaxAttempts)
	check(p.InitialBackoff > 0, "InitialBackoff must be positive, not %s", p.InitialBackoff)
	check(p.MaxBackoff >= p.InitialBackoff, "MaxBackoff must be at least InitialBackoff (%s), not %s",
		p.InitialBackoff, p.MaxBackoff)
	check(p.Multiplier >= 1 && !math.IsInf(p.Multiplier, 0), "Multiplier must be at least 1, not %g", p.Multiplier)
	check(p.Jitter <= 1, "Jitter must be at most 1, not %g", p.Jitter)
	return errors.Join(faults...)
}

// Backoff returns the wait after the attempt of that number, from 1.
func (p Policy) Backoff(attempt int) time.Duration {
	p = p.WithDefaults()
	wait := float64(p.InitialBackoff) * math.Pow(p.Multiplier, float64(max(attempt, 1)-1))
	wait = math.Min(wait, float64(p.MaxBackoff))
	if p.Jitter > 0 {
		wait += wait * p.Jitter * rand.Float64() //nolint:gosec // spreads load, guards nothing
	}
	return time.Duration(math.Min(wait, math.MaxInt64/2))
}

// Next decides what follows the failure err of the attempt of that number: another one after a wait of at least the returned
// duration, or none. It honours Permanent and After.
func (p Policy) Next(attempt int, err error) (wait time.Duration, again bool) {
	if IsPermanent(err) || attempt >= p.WithDefaults().MaxAttempts {
		return 0, false
	}
	return max(p.Backoff(attempt), requestedWait(err)), true
}
