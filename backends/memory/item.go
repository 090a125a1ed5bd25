package memory

import (
	"bytes"
	"maps"
	"strconv"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/redrive-go/redrive/backends/internal/queue"
	"github.com/redrive-go/redrive/retry"
)

// item is one message of a topic. Payload and metadata are replaced, never changed in place, so they may be read
// outside the critical section.
type item struct {
	id       int64
	topic    *topic
	uuid     string
	payload  []byte
	metadata message.Metadata
	history  string
	attempt  int
	redrives int

	due       time.Time // when it may be claimed
	owner     int64     // the claim that holds it; 0 while it waits
	claimedAt time.Time
	wake      time.Time // what its schedule orders by: due, or the end of its lease
	index     int       // its place in that schedule
}

// newItem copies a message that is published. It also returns how long the message must wait.
func newItem(msg *message.Message) (*item, time.Duration) {
	own, history := queue.SplitMetadata(msg.Metadata)
	redrives, err := strconv.Atoi(msg.Metadata.Get(retry.MetadataRedrives))
	if err != nil {
		redrives = 0
	}
	wait, _ := queue.DelayOf(msg.Metadata)
	return &item{
		uuid:     msg.UUID,
		payload:  bytes.Clone(msg.Payload),
		metadata: own,
		history:  history,
		redrives: redrives,
	}, wait
}

// claimed describes the item to the engine. Payload and metadata are still the item's own: see detach.
func (it *item) claimed() queue.Claimed {
	return queue.Claimed{
		ID: it.id, Owner: it.owner,
		UUID: it.uuid, Payload: it.payload, Metadata: it.metadata,
		Attempt: it.attempt, Redrives: it.redrives, History: it.history,
		ClaimedAt: it.claimedAt,
	}
}

// detach gives claimed messages copies of their own, which a handler may change. It needs no lock.
func detach(claimed []queue.Claimed) []queue.Claimed {
	for i := range claimed {
		claimed[i].Payload = bytes.Clone(claimed[i].Payload)
		claimed[i].Metadata = maps.Clone(claimed[i].Metadata)
	}
	return claimed
}
