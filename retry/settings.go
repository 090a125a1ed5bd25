package retry

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Limits of Settings.
const (
	MinBatchSize       = 1
	MaxBatchSize       = 100_000
	MaxCooldownMinutes = 1_440
	MaxRoundTrips      = 1_000
)

// Settings of retry jobs. They hold for both DLQs, and a running job follows them at its next batch.
type Settings struct {
	// BatchSize is how many entries a job moves before it cools down, 1 to 100,000. Defaults to 100.
	BatchSize int `json:"batch_size"`
	// CooldownMinutes is how long a job waits between two batches, 0 to 1,440, fractions allowed. Defaults to 1.
	CooldownMinutes float64 `json:"cooldown_minutes"`
	// MaxRoundTrips is after how many redrives an entry that is back again is quarantined: it stays in the DLQ, and no job that is
	// started from then on moves it. A person still can, one at a time. 1 to 1,000; 0, the default, means never.
	MaxRoundTrips int `json:"max_round_trips,omitzero"`
}

// DefaultSettings are the settings of a store that nobody has saved any to.
func DefaultSettings() Settings { return Settings{BatchSize: 100, CooldownMinutes: 1} }

// Cooldown is CooldownMinutes as a duration.
func (s Settings) Cooldown() time.Duration {
	return time.Duration(s.CooldownMinutes * float64(time.Minute))
}

// Validate returns every fault, joined, each naming its field and limit.
func (s Settings) Validate() error {
	var faults []error
	if s.BatchSize < MinBatchSize || s.BatchSize > MaxBatchSize {
		faults = append(faults, fmt.Errorf("batch_size must be %d to %d, not %d", MinBatchSize, MaxBatchSize, s.BatchSize))
	}
	if math.IsNaN(s.CooldownMinutes) || s.CooldownMinutes < 0 || s.CooldownMinutes > MaxCooldownMinutes {
		faults = append(faults, fmt.Errorf("cooldown_minutes must be 0 to %d, not %g", MaxCooldownMinutes, s.CooldownMinutes))
	}
	if s.MaxRoundTrips < 0 || s.MaxRoundTrips > MaxRoundTrips {
		faults = append(faults, fmt.Errorf("max_round_trips must be 0 to %d, not %d", MaxRoundTrips, s.MaxRoundTrips))
	}
	return errors.Join(faults...)
}
