package queue

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/retry"
)

// errAbandoned is recorded for an attempt that was still running when its consumer had to end.
var errAbandoned = errors.New("the attempt was cut off by a shutdown")

// errLost is recorded for an attempt whose lease ran out.
var errLost = errors.New("the attempt did not end: its process died, or it outlived its time limit")

// Lost is the settlement of a message whose consumer died, or lost it otherwise: its latest attempts, so many of them,
// ended without a word. Expired leases are settled so, one attempt at a time; a driver that finds out by itself, and maybe
// late, does the same. claimed is the latest of the attempts; a zero ClaimedAt says that nobody knows when it began. cfg has
// its defaults.
func Lost(cfg *asyncevents.SubscriberConfig, claimed *Claimed, attempts int) Settlement {
	s := unfinished(cfg, claimed, attempts, errLost)
	s.After += spread(cfg.Lease, claimed.Attempt)
	return s
}

// unfinished is the settlement of attempts that ended without a word: they are recorded, and the next one waits as after
// any other failure. To a relay they were no attempts.
func unfinished(cfg *asyncevents.SubscriberConfig, claimed *Claimed, attempts int, reason error) Settlement {
	wait := cfg.Policy.Backoff(claimed.Attempt)
	s := Settlement{ID: claimed.ID, Owner: claimed.Owner, Outcome: Later, After: wait}
	if !cfg.Relay && claimed.Damage == nil {
		s.Metadata, _ = SplitMetadata(claimed.Metadata)
		s.History = extended(claimed, attempts, reason).String()
	}
	return s
}

// extended is the history of a message with so many more attempts.
func extended(claimed *Claimed, attempts int, reason error) retry.History {
	began := claimed.ClaimedAt
	if began.IsZero() {
		began = time.Now()
	}
	delivery := retry.DeliveryOf(&message.Message{UUID: claimed.UUID, Metadata: claimed.Metadata})
	delivery.Redrives = claimed.Redrives
	delivery.History, _ = retry.ParseHistory(claimed.History)
	for range attempts {
		delivery.History = delivery.Ended(began, reason.Error())
	}
	return delivery.History
}

// spread is how much longer a message waits whose lease ran out. Those that were lost together, because one of them
// ended the process, must come back apart: in step, they would all be lost again with it until none has attempts left.
func spread(lease time.Duration, attempt int) time.Duration {
	limit := time.Duration(max(attempt, 1)) * (lease / 4)
	return rand.N(limit) //nolint:gosec // spreads load, guards nothing
}
