package asyncevents

import (
	"context"
	"time"
)

// purgeInterval is how often erased entries are looked for that were kept long enough.
const purgeInterval = time.Minute

// purge erases for good what was erased KeepErased ago, until ctx ends. Any number of replicas may do so at once. An error is the
// store's, and the next round makes up for it.
func (s *Service) purge(ctx context.Context) error {
	if s.cfg.KeepErased < 0 {
		return nil
	}
	ticker := time.NewTicker(min(purgeInterval, s.cfg.KeepErased))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		for _, queue := range Queues() {
			if _, err := s.letters.Purge(ctx, queue, time.Now().Add(-s.cfg.KeepErased)); err != nil && ctx.Err() == nil {
				s.cfg.Logger.WarnContext(ctx, "erased dead letters are kept for longer", "queue", queue, "error", err)
			}
		}
	}
}
