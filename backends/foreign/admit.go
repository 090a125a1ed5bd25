package foreign

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/internal/queue"
	"github.com/redrive-go/redrive/retry"
)

const (
	// metadataAccepted marks the message of a recorded event on its way through the transport. Its value is the topic: a copy
	// that a host sends elsewhere is another message.
	metadataAccepted = retry.MetadataPrefix + "accepted"
	// holdTime is how long the inbox tries to store a message before it gives it back. What a store never takes must not stand in
	// the way for ever, and transports have limits for what nobody takes.
	holdTime = time.Minute
	// findTime bounds looking an event up.
	findTime = 5 * time.Second
	// freshTime is how old an event may be and yet not be looked up: transports deliver again after a wait, as a rule.
	freshTime = time.Second
)

// admit puts a message into the store's queue and acknowledges it, or gives it back.
func (p *pump) admit(msg *message.Message) {
	gone := msg.Context().Done()
	if msg.Context().Err() != nil {
		gone = nil // it says nothing: some transports hand on the context of whoever published
	}
	own, eventID := p.unpack(msg)
	if eventID == "" {
		p.answer(msg, p.put(gone, func() error { return p.store.Publisher.Publish(p.topic, own) }))
		return
	}
	if !p.recent.begin(eventID) {
		p.answer(msg, true)
		return
	}
	suspect := p.isSuspect(msg)
	taken := p.put(gone, func() error { return p.putEvent(own, suspect) })
	p.recent.end(eventID, taken)
	p.answer(msg, taken)
}

// putEvent stores the message of an accepted event, unless it was delivered before and that one was tried already. While no
// attempt has ended, the store does not tell that it has the message.
func (p *pump) putEvent(own *message.Message, suspect bool) error {
	if suspect {
		ctx, cancel := context.WithTimeout(context.Background(), findTime)
		defer cancel()
		record, err := p.store.Events.Find(ctx, own.UUID)
		if err != nil && !errors.Is(err, asyncevents.ErrNotFound) {
			return err
		}
		if err == nil && (record.Status != asyncevents.StatusQueued || record.Attempts > 0) {
			return nil
		}
	}
	return p.store.Publisher.Publish(p.topic, own)
}

// unpack returns a message as the store is to have it, and the id of the event that was accepted with it; "" where none was.
// Others publish as they like: what no store takes is made sound, rather than refused for ever.
func (p *pump) unpack(msg *message.Message) (own *message.Message, eventID string) {
	own = message.NewMessage(msg.UUID, msg.Payload)
	for key, value := range msg.Metadata {
		if key != metadataAccepted {
			own.Metadata.Set(strings.ToValidUTF8(key, "\uFFFD"), strings.ToValidUTF8(value, "\uFFFD"))
		}
	}
	if queue.CheckTopic(msg.UUID) != nil { // ids are as long as topics, and as plain
		own.UUID = watermill.NewUUID()
		return own, ""
	}
	if msg.Metadata.Get(metadataAccepted) == p.topic {
		eventID = msg.UUID
	}
	return own, eventID
}

// answer acknowledges a message, or gives it back.
func (p *pump) answer(msg *message.Message, taken bool) {
	if !taken {
		msg.Nack()
		return
	}
	msg.Ack()
	p.acked(msg)
}

// put calls store until it succeeds, the transport has given the message up, the inbox stops, or holdTime has passed.
func (p *pump) put(gone <-chan struct{}, store func() error) (taken bool) {
	patience := time.NewTimer(holdTime)
	defer patience.Stop()
	due := time.NewTimer(0)
	defer due.Stop()
	for pause := waitLeast; ; pause = min(2*pause, waitMost) {
		select {
		case <-due.C:
		case <-gone:
			return false
		case <-patience.C:
			return false
		case <-p.stopping.Done():
			return false
		}
		err := store()
		if err == nil {
			p.storing.works()
			return true
		}
		p.storing.fails(err)
		due.Reset(pause)
	}
}

// isSuspect is whether a message may have been delivered before.
func (p *pump) isSuspect(msg *message.Message) bool {
	if p.cfg.Redelivered != nil {
		return p.cfg.Redelivered(msg)
	}
	return time.Since(retry.DeliveryOf(msg).AcceptedAt).Abs() > freshTime // clocks may differ
}
