package asyncevents

import (
	"context"
	"time"
)

// purgeInterval is how often entries are looked for that were kept long enough.
const purgeInterval = time.Minute

// purging erases for good what is kept beside the DLQs for a time; a negative one is for good.
type purging struct {
	what  string
	keep  time.Duration
	erase func(ctx context.Context, queue string, before time.Time) (purged int64, err error)
}

// purge erases for good what was erased KeepErased ago, and the originals of what was edited KeepStatuses ago, until ctx ends. Any number
// of replicas may do so at once. An error is the store's, and the next round makes up for it.
func (s *Service) purge(ctx context.Context) error {
	interval, all := purgeInterval, []purging{
		{"erased dead letters", s.cfg.KeepErased, s.letters.Purge},
		{"originals of edited dead letters", s.cfg.KeepStatuses, s.letters.PurgeEdited},
	}
	for _, p := range all {
		if p.keep >= 0 {
			interval = min(interval, p.keep)
		}
	}
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		for _, p := range all {
			s.purgeQueues(ctx, p)
		}
	}
}

func (s *Service) purgeQueues(ctx context.Context, p purging) {
	if p.keep < 0 {
		return
	}
	for _, queue := range Queues() {
		if _, err := p.erase(ctx, queue, time.Now().Add(-p.keep)); err != nil && ctx.Err() == nil {
			s.cfg.Logger.WarnContext(ctx, p.what+" are kept for longer", "queue", queue, "error", err)
		}
	}
}
