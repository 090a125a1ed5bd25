package amqp

import (
	"context"
	"sync"
	"time"

	"github.com/redrive-go/redrive/backends/internal/queue"
)

// run consumes from both sources until the stream is stopped and closed.
func (s *stream) run(closing context.Context) {
	defer close(s.ended)
	s.work.Go(s.prepareWaits)
	var consuming sync.WaitGroup
	for _, source := range s.sources() {
		consuming.Go(func() { source.run(closing) })
	}
	consuming.Wait()
}

// prepareWaits declares the queues in which messages will wait that failed. It is not necessary: what is missing is declared when it is
// needed. But that takes its time, and others would wait for it.
func (s *stream) prepareWaits() {
	if _, err := s.queues.link.await(s.stopping); err != nil {
		return
	}
	var declaring sync.WaitGroup
	for _, ms := range stepsOf(s.cfg.Policy) {
		declaring.Go(func() {
			// An error comes again when a message is to wait there, and is told then.
			_ = s.queues.ensure(place{s.queue, ms}, time.Now().Add(dialTimeout))
		})
	}
	declaring.Wait()
}

// hush notes that a source delivers no more. When both do not, the stream is quiet.
func (s *stream) hush(source *source) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hushed[source.queue] = true; len(s.hushed) < 2 {
		return
	}
	s.quieten()
}

// awaitSettled waits until no letter is being settled, at most for a while: a store may hang.
func (s *stream) awaitSettled() {
	settled := make(chan struct{})
	go func() {
		s.settling.Lock()
		defer s.settling.Unlock()
		close(settled)
	}()
	late := time.NewTimer(callPatience)
	defer late.Stop()
	select {
	case <-settled:
	case <-late.C:
	}
}

// emptyHanded is whether nothing is in hand that a session delivered.
func (s *stream) emptyHanded(session *session) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.letters {
		if l.session == session {
			return false
		}
	}
	return true
}

// arrives takes a delivery in hand. One that is in hand already, because it was there when the connection was lost, or because the
// broker moved it twice, is not taken for another one: what becomes of the one becomes of both.
func (s *stream) arrives(session *session, l *letter) {
	s.mu.Lock()
	if known := s.copies[l.copy]; known != nil {
		ready := s.takesBack(known, session, l.tags[0])
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
	odd := l.wait > 0 || l.suspect()
	l.ending = odd
	s.mu.Unlock()
	if odd {
		s.odd.Go(func() { s.examine(l) })
		return
	}
	s.put(l)
}

// takesBack takes a letter in hand that was, and returns whether it may be claimed now. The caller holds the lock.
func (s *stream) takesBack(l *letter, session *session, tag uint64) (ready bool) {
	if l.over {
		delete(s.copies, l.copy)
		session.ack(tag)
		return false
	}
	l.comesBack(session, tag)
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
		if l.owner != 0 {
			l.astray.Store(true)
		}
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
		if err == nil {
			s.undecided.end()
		}
		if err == nil && done {
			s.finish(l)
			return
		}
		if err == nil {
			s.abort(l)
			s.put(l)
			return
		}
		s.undecided.say(err)
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
	return first(s.send([]content{next}))
}

// close gives back what nobody has claimed, and acknowledges what is done. The stream has been stopped, and the engine has ended.
func (s *stream) close(closing context.CancelFunc) {
	<-s.quiet // what was on its way is here
	s.awaitSettled()
	s.odd.Wait()
	if err := s.giveBack(); err != nil {
		s.log.Warn("amqp: messages that nobody has seen are delivered again with an attempt less", "error", err)
	}
	closing()
	<-s.ended
}

// giveBack returns what nobody has claimed to the broker, as it came.
func (s *stream) giveBack() error {
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
	errs := s.follow(unseen, unused)
	for _, l := range unseen {
		if l.copied {
			s.finish(l)
		}
	}
	return first(errs)
}

// first returns the first of errors that is one: the others are mostly the same.
func first(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
