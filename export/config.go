package export

import (
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Defaults and limits of Config.
const (
	DefaultLease        = 30 * time.Second
	DefaultPollInterval = time.Second
	MinLease            = 100 * time.Millisecond
)

// Config configures an Exporter. nil and the zero value mean the defaults.
type Config struct {
	// Lease is how long an export belongs to the Exporter that writes it, without renewal. It is renewed about every
	// second, or three times a lease where that is shorter. When the process dies, another one starts the export
	// over after this time. At least 100 ms. Defaults to 30 s.
	Lease time.Duration
	// PollInterval is how often the catalogue is asked for exports that were started by another process, or
	// abandoned by one that died. Exports started by this Exporter begin at once. Defaults to 1 s.
	PollInterval time.Duration
	// Logger is told about the beginning and the end of every export, and about failures that will be tried again. It
	// never gets a payload. Defaults to slog.Default().
	Logger *slog.Logger
}

// Validate returns every fault of the configuration with its defaults applied, joined, each naming its field and limit.
func (c *Config) Validate() error {
	d := c.withDefaults()
	var faults []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	check(d.Lease >= MinLease, "Lease must be at least %s, not %s", MinLease, d.Lease)
	check(d.PollInterval > 0, "PollInterval must be positive, not %s", d.PollInterval)
	return errors.Join(faults...)
}

// withDefaults returns a copy with the zero fields set.
func (c *Config) withDefaults() Config {
	var d Config
	if c != nil {
		d = *c
	}
	if d.Lease == 0 {
		d.Lease = DefaultLease
	}
	if d.PollInterval == 0 {
		d.PollInterval = DefaultPollInterval
	}
	if d.Logger == nil {
		d.Logger = slog.Default()
	}
	return d
}
