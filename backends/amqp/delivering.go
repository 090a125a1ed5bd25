package amqp

import (
	"context"
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/redrive-go/redrive/backends/internal/queue"
)

const (
	// silence is after how long without a delivery is looked whether the broker still knows of the consumer: one of a queue
	// that was deleted and declared again at once is forgotten without a word.
	silence = 5 * time.Second
	// deafness is after how long without a delivery, and with nothing in hand, the consumer is made again in any case: RabbitMQ may
	// take one of a queue that was deleted for one of the queue that was declared at once in its place, and tell it nothing.
	deafness = 30 * time.Second
	// tryAgain is the wait before another try to consume, after one that failed.
	tryAgain = 100 * time.Millisecond
	// beginPatience is how long the broker may take to begin to deliver.
	beginPatience = 5 * time.Second
	// leaveTime bounds giving back what nobody has seen, at the end.
	leaveTime = 2 * time.Second
)

// run consumes, again and again, until the stream is stopped and closed.
func (s *stream) run(closing context.Context) {
	defer close(s.ended)
	for s.stopping.Err() == nil {
		conn, err := s.consumes.await(s.stopping)
		if err != nil {
			return
		}
		if err := s.consume(closing, conn); err != nil && s.stopping.Err() == nil {
			s.log.Warn("amqp: cannot consume; it is tried again", "error", err)
		}
		pause(s.stopping, tryAgain)
	}
}

// consume consumes on one channel, until that is lost or closing ends.
func (s *stream) consume(closing context.Context, conn *amqp.Connection) error {
	if err := s.queues.again(s.stopping, place{queue: s.queue}); err != nil {
		return err
	}
	select {
	case <-s.anew: // no consumer is older than the queue
	default:
	}
	ch, err := conn.Channel()
	if err != nil {
		return explain(err)
	}
	defer func() { _ = ch.Close() }() // what it could tell does not matter any more
	// RabbitMQ 3 sometimes does not answer for a minute where it was started a moment ago. On another connection it does.
	late := time.AfterFunc(beginPatience, func() {
		s.log.Warn("amqp: the broker does not begin to deliver; another connection is made")
		s.consumes.cut(conn)
	})
	deliveries, dropped, err := s.begins(ch)
	late.Stop()
	if err != nil {
		return explain(err)
	}
	session := newSession(ch)
	acking, endAcks := context.WithCancel(context.WithoutCancel(closing))
	acked := make(chan struct{})
	go func() {
		defer close(acked)
		session.ackAll(acking)
	}()
	s.take(closing, session, deliveries, dropped)
	s.loses(session)
	endAcks()
	<-acked
	return nil
}

// begins begins to consume the topic's queue, and what the broker dropped from it.
func (s *stream) begins(ch *amqp.Channel) (deliveries, dropped <-chan amqp.Delivery, err error) {
	if err := ch.Qos(s.cfg.Concurrency, 0, false); err != nil {
		return nil, nil, err
	}
	if dropped, err = ch.Consume(droppedOf(s.queue), "dropped", false, false, false, false, nil); err != nil {
		return nil, nil, err
	}
	deliveries, err = ch.Consume(s.queue, "main", false, false, false, false, nil)
	return deliveries, dropped, err
}

// take takes what the broker delivers, until it ends that or closing ends. Once the stream is stopped, no more is asked for.
func (s *stream) take(closing context.Context, session *session, deliveries, dropped <-chan amqp.Delivery) {
	stop := s.stopping.Done()
	ticker := time.NewTicker(silence)
	defer ticker.Stop()
	for deliveries != nil || s.stopping.Err() != nil {
		select {
		case d, open := <-deliveries:
			if !open {
				deliveries = nil
				continue
			}
			s.arrives(session, newLetter(&d))
		case d, open := <-dropped:
			if !open && s.stopping.Err() == nil {
				return // its queue was deleted, and is declared again
			}
			if !open {
				dropped = nil
				continue
			}
			s.arrives(session, s.droppedLetter(&d))
		case <-ticker.C:
			if s.deaf() {
				return
			}
		case <-s.anew:
			if s.stopping.Err() == nil {
				return
			}
		case <-stop:
			stop = nil
			session.cancel()
		case <-closing.Done():
			return
		}
	}
}

// cancel asks the broker for no more deliveries.
func (s *session) cancel() {
	for _, consumer := range []string{"main", "dropped"} {
		if s.ch.Cancel(consumer, false) != nil {
			return // the channel is gone, and with it the consumers
		}
	}
}

// forgotten is whether the broker has no consumer of the queue any more. Only where nothing was heard lately is it asked.
func (s *stream) forgotten() bool {
	s.mu.Lock()
	quiet := time.Since(s.heard) >= silence && s.stopping.Err() == nil
	s.mu.Unlock()
	if !quiet {
		return false
	}
	conn, err := s.consumes.now()
	if err != nil {
		return false // that is found out by itself
	}
	q, there, err := inspect(conn, s.queue)
	return err == nil && (!there || q.Consumers == 0)
}

// deaf is whether the consumer hears nothing any more, as far as can be told.
func (s *stream) deaf() bool {
	if s.forgotten() {
		s.log.Warn("amqp: the broker has forgotten the consumer; consuming again")
		return true
	}
	return s.idle()
}

// idle is whether nothing came for so long that the consumer may be deaf. It counts from now on again.
func (s *stream) idle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	idle := time.Since(s.heard) >= deafness && len(s.letters) == 0 && s.stopping.Err() == nil
	if idle {
		s.heard = time.Now()
	}
	return idle
}

// droppedLetter is a message that the broker dropped after many deliveries. It counts as one whose attempts are used up, so that
// it ends in the DLQ.
func (s *stream) droppedLetter(d *amqp.Delivery) *letter {
	l := newLetter(d)
	l.starts, l.lost, l.check, l.wait = max(l.starts, s.cfg.Policy.MaxAttempts), 0, true, 0
	return l
}

// arrives takes a delivery in hand. One that is in hand already, because it was there when the connection was lost, or because the
// broker moved it twice, is not taken for another one.
func (s *stream) arrives(session *session, l *letter) {
	s.mu.Lock()
	s.heard = time.Now()
	if known := s.copies[l.copy]; known != nil {
		ready := known.comesBack(session, l.tag)
		if known.over {
			delete(s.copies, l.copy)
		}
		s.mu.Unlock()
		if ready {
			s.put(known)
		}
		return
	}
	s.lastID++
	l.id, l.session = s.lastID, session
	s.letters[l.id] = l
	if l.copy != 0 {
		s.copies[l.copy] = l
	}
	l.ending = l.wait > 0 || l.suspect()
	odd := l.ending
	s.mu.Unlock()
	if odd {
		s.odd.Go(func() { s.examine(l) })
		return
	}
	s.put(l)
}

// comesBack notes that the broker has delivered a letter again, and returns whether it may be claimed now.
func (l *letter) comesBack(session *session, tag uint64) (ready bool) {
	if l.over || l.session == session {
		session.ack(tag)
		return false
	}
	l.session, l.tag = session, tag
	return l.free()
}

// loses notes that what a session delivered will be delivered again, here or elsewhere. What is at work goes on: its outcome
// counts, and is known when the letter comes back. What waited before the last loss already has gone elsewhere.
func (s *stream) loses(session *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for copyName, l := range s.copies {
		if l.session == nil && (l.over || l.owner == 0 && !l.ending) {
			delete(s.copies, copyName)
			delete(s.letters, l.id)
		}
	}
	for id, l := range s.letters {
		if l.session != session {
			continue
		}
		l.session = nil
		if l.copy == 0 && l.owner == 0 && !l.ending { // it cannot be known again
			delete(s.letters, id)
		}
	}
}

// examine decides what becomes of a letter that is not simply the next attempt: left over, lost before, or still to wait. It goes
// on until that is done or the stream is stopped.
func (s *stream) examine(l *letter) {
	wait := tryAgain / 2
	for s.stopping.Err() == nil {
		done, err := s.decide(l)
		if err == nil && done {
			s.finish(l)
			return
		}
		if err == nil {
			s.abort(l)
			s.put(l)
			return
		}
		s.log.Warn("amqp: cannot decide on a message that came again; it is tried again", "message_id", l.uuid, "error", err)
		wait = min(2*wait, redialMost)
		pause(s.stopping, wait)
	}
	s.abort(l)
}

// decide returns whether a letter is done with: because what was left of it is recorded already, or because it is put off.
func (s *stream) decide(l *letter) (done bool, err error) {
	if l.suspect() {
		left, err := s.leftOver(s.stopping, l)
		if left || err != nil {
			return left, err
		}
	}
	switch {
	case l.wait > 0:
		return true, s.putOff(l, queue.Settlement{Outcome: queue.Later, After: l.wait})
	case l.lost > 0:
		claimed := l.claimed()
		claimed.Attempt-- // the next one has not begun
		return true, s.putOff(l, queue.Lost(&s.cfg, &claimed, l.lost))
	}
	return false, nil
}

// putOff publishes what follows a letter that no handler has seen.
func (s *stream) putOff(l *letter, settlement queue.Settlement) error {
	next := l.follower(&settlement)
	next.starts-- // that is one less than the attempt which did not begin
	ctx, cancel := context.WithTimeout(context.Background(), s.broker.cfg.PublishTimeout)
	defer cancel()
	return errors.Join(s.publish(ctx, s.topic, []content{next})...)
}

// close gives back what nobody has claimed, and acknowledges what is done. The stream has been stopped, and the engine has ended.
func (s *stream) close(closing context.CancelFunc) {
	s.odd.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), leaveTime)
	defer cancel()
	if err := s.giveBack(ctx); err != nil {
		s.log.Warn("amqp: messages that nobody has seen are delivered again with an attempt less", "error", err)
	}
	closing()
	<-s.ended
}

// giveBack returns what nobody has claimed to the broker, as it came.
func (s *stream) giveBack(ctx context.Context) error {
	var unseen []*letter
	s.mu.Lock()
	for _, l := range s.letters {
		if l.free() {
			l.ending = true
			unseen = append(unseen, l)
		}
	}
	s.mu.Unlock()
	unused := make([]queue.Settlement, len(unseen))
	for i := range unused {
		unused[i].Outcome = queue.Unused
	}
	err := s.follow(ctx, unseen, unused)
	for _, l := range unseen {
		if l.copied {
			s.finish(l)
		}
	}
	if err != nil {
		return fmt.Errorf("give back messages of %q: %w", s.topic, err)
	}
	return nil
}
