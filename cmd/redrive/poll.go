package main

import (
	"context"
	"errors"
	"flag"
	"time"
)

// maxMisses is how many times in a row a server may not answer before it is given up on.
const maxMisses = 30

// defaultInterval is how long to wait between two questions.
const defaultInterval = time.Second

// poller asks again and again how something goes on.
type poller struct{ interval time.Duration }

func (p *poller) register(flags *flag.FlagSet) {
	p.interval = defaultInterval
	flags.Func("interval", "how long to `wait` between two looks (default 1s)", func(text string) (err error) {
		if p.interval, err = time.ParseDuration(text); err == nil && p.interval <= 0 {
			err = errors.New("it must be more than 0")
		}
		return err
	})
}

// until calls ask until it has done. What may pass is tried again, and said on the progress.
func (p *poller) until(ctx context.Context, shown *progress, ask func(context.Context) (done bool, err error)) error {
	misses := 0
	for {
		done, err := ask(ctx)
		switch {
		case done || err != nil && !mayPass(err):
			return err
		case ctx.Err() != nil:
			return errors.Join(err, ctx.Err())
		case err == nil:
			misses = 0
		case misses == maxMisses:
			return err
		case misses == 0:
			shown.note("redrive: %s; trying again", err)
			fallthrough
		default:
			misses++
		}
		if err := pause(ctx, p.interval); err != nil {
			return err
		}
	}
}

// pause waits, or returns the context's error.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
