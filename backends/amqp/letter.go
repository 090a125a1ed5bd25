package amqp

import (
	"bytes"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/redrive-go/redrive/backends/internal/queue"
)

// letter is a message that a stream has in hand: delivered by the broker, and not acknowledged. What comes after damage is guarded by
// the stream, but for heir and copied, which belong to whoever is ending the letter.
type letter struct {
	content
	id     int64
	lost   int   // starts whose consumer was lost with its connection
	damage error // why it could not be decoded

	session *session // that delivered it; nil once its connection is lost
	tags    []uint64 // which name it to the broker, within the session: more than one where it was delivered again

	owner     int64 // the claim that holds it; 0 for none
	leaseEnd  time.Time
	claimedAt time.Time
	ending    bool        // its claim is being settled
	over      bool        // it is settled, and was lost before it could be acknowledged
	heir      int64       // names the copy that follows it; 0 before there is any
	astray    atomic.Bool // it went back to the broker while it was claimed: somebody else may have it too
	copied    bool        // what follows it is with the broker: all that is left to do is to acknowledge it
}

func newLetter(d *amqp.Delivery) *letter {
	c, before, damage := read(d)
	l := &letter{content: c, lost: before, damage: damage, tags: []uint64{d.DeliveryTag}}
	if l.wait > 0 { // nobody had it to start it: it was on its way from one wait to the next
		l.lost, l.check = 0, l.check || before > 0
	}
	return l
}

// free is whether it may be claimed.
func (l *letter) free() bool { return l.owner == 0 && l.session != nil && !l.ending }

// suspect is whether another copy of it may be on its way, or have come to an end.
func (l *letter) suspect() bool { return l.check || l.lost > 0 || l.astray.Load() }

// attempt is the number of the start that is under way or comes next, since the last redrive.
func (l *letter) attempt() int { return l.starts + l.lost + 1 }

// claimed is what the engine sees. The handler's message is made of it: that shares the payload, which what follows the letter needs as
// it is, and gets metadata of its own.
func (l *letter) claimed() queue.Claimed {
	c := queue.Claimed{
		ID: l.id, Owner: l.owner, UUID: l.uuid, Payload: bytes.Clone(l.payload),
		Attempt: l.attempt(), Redrives: l.redrives, History: l.history, ClaimedAt: l.claimedAt, Damage: l.damage,
	}
	if l.damage == nil {
		c.Metadata = l.metadata
	}
	return c
}

// comesBack notes that the broker has delivered a letter again, on the same channel or on another one.
func (l *letter) comesBack(session *session, tag uint64) {
	if l.session != session {
		l.session, l.tags = session, l.tags[:0]
	}
	l.tags = append(l.tags, tag)
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
