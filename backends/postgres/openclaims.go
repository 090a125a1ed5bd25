package postgres

import (
	"sync"
	"time"

	"github.com/redrive-go/redrive/backends/internal/queue"
)

// openClaims counts what is left of each claim of this process. It is a hint when to look whether a row of claims is of
// use yet; what nobody looks at goes when its lease has run out.
type openClaims struct {
	mu     sync.Mutex
	claims map[int64]*openClaim
}

type openClaim struct {
	left int
	made time.Time
}

// crowd is how many claims are kept before the old ones among them are dropped, and old is what that means.
const (
	crowd = 4096
	old   = time.Hour
)

func (o *openClaims) add(claim int64, messages int) {
	if messages == 0 {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.claims == nil {
		o.claims = map[int64]*openClaim{}
	}
	now := time.Now()
	if len(o.claims) > crowd {
		for claim, c := range o.claims {
			if now.Sub(c.made) > old {
				delete(o.claims, claim)
			}
		}
	}
	o.claims[claim] = &openClaim{messages, now}
}

// settle notes settlements, and returns the claims that nothing seems to be left of.
func (o *openClaims) settle(settlements []queue.Settlement) (empty []int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range settlements {
		c := o.claims[settlements[i].Owner]
		if c == nil {
			continue
		}
		if c.left--; c.left <= 0 {
			empty = append(empty, settlements[i].Owner)
			delete(o.claims, settlements[i].Owner)
		}
	}
	return empty
}
