package postgres

import (
	"sync"
	"time"

	"github.com/redrive-go/redrive/backends/internal/queue"
)

// openClaims knows what is left of each claim of this process. A claim of which everything is settled, and committed, is
// dropped with the next claim. One of which something is left, because a process died or a transaction of the host's settled
// it, is dropped when its lease has run out.
type openClaims struct {
	mu    sync.Mutex
	open  map[int64]*openClaim
	ended []int64
	swept time.Time // when the old ones were forgotten
}

// openClaim is the messages of a claim that are not settled. One may be settled twice: by whoever found its lease expired, and
// by its late handler.
type openClaim struct {
	left map[int64]struct{}
	made time.Time
}

// crowd is how many claims are kept before the old ones among them are forgotten, old is what that means, and sweepEvery is the
// least time between two looks for them.
const (
	crowd      = 4096
	old        = time.Hour
	sweepEvery = time.Minute
)

func (o *openClaims) add(claim int64, messages []queue.Claimed) {
	if len(messages) == 0 {
		return
	}
	left := make(map[int64]struct{}, len(messages))
	for i := range messages {
		left[messages[i].ID] = struct{}{}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.open == nil {
		o.open = map[int64]*openClaim{}
	}
	now := time.Now()
	if len(o.open) > crowd && now.Sub(o.swept) > sweepEvery {
		o.swept = now
		for claim, c := range o.open {
			if now.Sub(c.made) > old {
				delete(o.open, claim)
			}
		}
	}
	o.open[claim] = &openClaim{left, now}
}

// settled notes settlements that were committed. A message that somebody else has by now is settled as far as its old claim
// is concerned.
func (o *openClaims) settled(settlements []queue.Settlement) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range settlements {
		claim := settlements[i].Owner
		c := o.open[claim]
		if c == nil {
			continue
		}
		if delete(c.left, settlements[i].ID); len(c.left) == 0 {
			o.ended = append(o.ended, claim)
			delete(o.open, claim)
		}
	}
}

// take returns the claims to drop, and gives them back when they could not be.
func (o *openClaims) take() (ended []int64, giveBack func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	ended, o.ended = o.ended, nil
	if ended == nil {
		ended = []int64{}
	}
	return ended, func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.ended = append(o.ended, ended...)
	}
}
