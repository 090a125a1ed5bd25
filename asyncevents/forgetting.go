package asyncevents

import (
	"context"
	"time"
)

const (
	// forgetInterval is how often all records are looked through at most, and forgetPause the pause between two looks, at least and
	// as a multiple of how long the last one took: a store that is busy is left alone for longer.
	forgetInterval = time.Hour
	forgetPause    = 50 * time.Millisecond
	forgetPauses   = 20
)

// forget removes the records of events that are done for longer than KeepStatuses, until ctx ends. Any number of replicas may do so at
// once. An error is the store's, and the next round makes up for it.
func (s *Service) forget(ctx context.Context) error {
	if s.cfg.KeepStatuses < 0 {
		return nil
	}
	round := time.NewTicker(min(forgetInterval, s.cfg.KeepStatuses))
	defer round.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-round.C:
		}
		if err := s.forgetAll(ctx); err != nil && ctx.Err() == nil {
			s.cfg.Logger.WarnContext(ctx, "statuses are kept for longer", "error", err)
		}
	}
}

// forgetAll looks through all records once.
func (s *Service) forgetAll(ctx context.Context) error {
	for after := ""; ; {
		began := time.Now()
		next, _, err := s.backend.Events.Forget(ctx, s.cfg.KeepStatuses, after)
		if err != nil || next == "" {
			return err
		}
		after = next
		pause := time.NewTimer(max(forgetPause, forgetPauses*time.Since(began)))
		select {
		case <-ctx.Done():
			pause.Stop()
			return nil
		case <-pause.C:
		}
	}
}
