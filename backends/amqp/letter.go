package amqp

import (
	"bytes"
	"maps"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/redrive-go/redrive/backends/internal/queue"
)

// letter is a message that a stream has in hand: delivered by the broker, and not acknowledged. All but content is guarded by
// the stream.
type letter struct {
	content
	id     int64
	lost   int   // starts whose consumer was lost with its connection
	damage error // why it could not be decoded

	session *session // that delivered it; nil once its connection is lost
	tag     uint64   // which names it to the broker, within the session

	owner     int64 // the claim that holds it; 0 for none
	leaseEnd  time.Time
	claimedAt time.Time
	heir      int64 // names the copy that follows it; 0 before there is any
	ending    bool  // its claim is being settled
	copied    bool  // what follows it is with the broker: all that is left to do is to acknowledge it
	over      bool  // it is settled, and was lost before it could be acknowledged
}

func newLetter(d *amqp.Delivery) *letter {
	c, before, damage := read(d)
	return &letter{content: c, lost: before, damage: damage, tag: d.DeliveryTag}
}

// free is whether it may be claimed.
func (l *letter) free() bool { return l.owner == 0 && l.session != nil && !l.ending }

// suspect is whether another copy of it may be on its way, or have come to an end.
func (l *letter) suspect() bool { return l.check || l.lost > 0 }

// attempt is the number of the start that is under way or comes next, since the last redrive.
func (l *letter) attempt() int { return l.starts + l.lost + 1 }

// claimed is what the engine and the handler see. It shares nothing with the letter, because what follows is made of that.
func (l *letter) claimed() queue.Claimed {
	c := queue.Claimed{
		ID: l.id, Owner: l.owner, UUID: l.uuid, Payload: bytes.Clone(l.payload),
		Attempt: l.attempt(), Redrives: l.redrives, History: l.history, ClaimedAt: l.claimedAt, Damage: l.damage,
	}
	if l.damage == nil {
		c.Metadata = maps.Clone(l.metadata)
	}
	return c
}

// follower is the message that a settlement makes of a letter: after a failed attempt, or when nobody has seen it. It is the same
// copy each time. Only who has begun to end the letter may ask for it.
func (l *letter) follower(s *queue.Settlement) content {
	if l.heir == 0 {
		l.heir = newCopy()
	}
	next := l.content
	next.copy = l.heir
	next.check = true // the letter may come back if the broker does not get to know that it is settled
	next.starts = l.attempt()
	if s.Outcome == queue.Unused {
		next.starts--
		return next
	}
	next.wait = s.After
	if s.Metadata != nil {
		next.metadata, next.history = s.Metadata, s.History
	}
	return next
}
