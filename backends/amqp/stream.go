package amqp

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/internal/queue"
)

// stream is what the broker delivers for one subscription. It implements queue.Driver: the engine claims, leases and settles
// what a stream has in hand, as it does with the rows of a database.
type stream struct {
	*broker
	topic string
	queue string // of the topic
	cfg   asyncevents.SubscriberConfig
	store asyncevents.Store
	log   *slog.Logger
	bell  queue.Bell

	stopping context.Context // ends when no more is to be delivered
	stop     context.CancelFunc
	ended    chan struct{} // closed when run has returned

	mu      sync.Mutex
	lastID  int64
	letters map[int64]*letter // in hand, by id
	copies  map[int64]*letter // the same by the name of the copy, and those that are over
	ready   []*letter         // may be claimed, or was when it came

	odd       sync.WaitGroup  // letters that are being examined
	settling  sync.RWMutex    // held for reading while letters are settled
	sending   atomic.Int64    // calls of send that began before stopping
	quiet     chan struct{}   // closed when the broker delivers no more, after stopping, or has had the time to end that
	quieten   func()          // closes quiet
	hushed    map[string]bool // the sources of which that is known
	undecided complaint       // of letters that came again
}

func newStream(b *broker, topic, queue string, cfg asyncevents.SubscriberConfig, store asyncevents.Store) *stream {
	s := &stream{
		broker: b, topic: topic, queue: queue, cfg: cfg.WithDefaults(), store: store, log: b.log.With("topic", topic),
		ended: make(chan struct{}), letters: map[int64]*letter{}, copies: map[int64]*letter{},
	}
	s.undecided = complaint{log: s.log, what: "cannot decide on messages that came again; it is tried again"}
	s.quiet, s.hushed = make(chan struct{}), map[string]bool{}
	s.quieten = sync.OnceFunc(func() { close(s.quiet) })
	s.stopping, s.stop = context.WithCancel(b.queues.closing)
	context.AfterFunc(s.stopping, func() { time.AfterFunc(settleMost+s.consumes.patience, s.quieten) })
	return s
}

// Wakes implements queue.Driver.
func (s *stream) Wakes() *queue.Bell { return &s.bell }

// Claim implements queue.Driver.
func (s *stream) Claim(_ context.Context, p queue.ClaimParams) (claimed []queue.Claimed, next time.Duration, err error) {
	now := time.Now()
	var letters []*letter
	s.mu.Lock()
	for len(letters) < p.Limit && len(s.ready) > 0 {
		l := s.ready[0]
		s.ready[0] = nil
		s.ready = s.ready[1:]
		if l.free() {
			l.owner, l.claimedAt, l.leaseEnd = p.Owner, now, now.Add(p.Lease)
			letters = append(letters, l)
		}
	}
	s.mu.Unlock()
	claimed = make([]queue.Claimed, len(letters))
	for i, l := range letters {
		claimed[i] = l.claimed()
	}
	return claimed, -1, nil
}

// Renew implements queue.Driver.
func (s *stream) Renew(_ context.Context, claims []queue.Held, lease time.Duration) (lost []queue.Held, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	end := time.Now().Add(lease)
	for _, c := range claims {
		if l := s.letters[c.ID]; l != nil && l.owner == c.Owner {
			l.leaseEnd = end
		} else {
			lost = append(lost, c)
		}
	}
	return lost, nil
}

// Expired implements queue.Driver.
func (s *stream) Expired(_ context.Context, _ string, limit int) (expired []queue.Claimed, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for _, l := range s.letters {
		if len(expired) == limit {
			break
		}
		if l.owner != 0 && !l.ending && now.After(l.leaseEnd) {
			expired = append(expired, l.claimed())
		}
	}
	return expired, nil
}

// Settle implements queue.Driver. What follows a message is with the broker before the message is acknowledged: in between, it
// may be there twice, but never not at all. Where that fails for some, the error is a *queue.SomeError.
func (s *stream) Settle(_ context.Context, settlements []queue.Settlement) (held []bool, err error) {
	s.settling.RLock()
	defer s.settling.RUnlock()
	letters := make([]*letter, len(settlements))
	held = make([]bool, len(settlements))
	for i := range settlements {
		letters[i], held[i] = s.begin(settlements[i].ID, settlements[i].Owner)
		if settlements[i].Outcome == queue.Done {
			s.finish(letters[i])
			letters[i] = nil
		}
	}
	errs := s.follow(letters, settlements)
	for i, l := range letters {
		if errs != nil && errs[i] != nil {
			errs[i] = fmt.Errorf("amqp: settle a message of %q: %w", s.topic, errs[i])
			s.abort(l)
			continue
		}
		s.finish(l)
	}
	if errs != nil {
		return held, &queue.SomeError{Errs: errs}
	}
	return held, nil
}

// begin takes a claim to settle it, unless it was lost or is being settled. Nobody else can take it until abort or finish.
func (s *stream) begin(id, owner int64) (l *letter, held bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l = s.letters[id]
	if l == nil || l.owner != owner || l.ending {
		return nil, false
	}
	l.ending = true
	return l, true
}

// abort leaves a claim as it was. A nil letter is none.
func (s *stream) abort(l *letter) {
	if l == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	l.ending = false
}

// follow publishes what follows letters, where anything does and is not there already. It returns nil when all of it is, or else
// what became of each. A nil letter is none.
func (s *stream) follow(letters []*letter, settlements []queue.Settlement) (errs []error) {
	var contents []content
	var at []int
	for i, l := range letters {
		if l != nil && !l.copied && settlements[i].Outcome != queue.Done && !s.goesBack(l, &settlements[i]) {
			contents, at = append(contents, l.follower(&settlements[i])), append(at, i)
		}
	}
	if len(contents) == 0 {
		return nil
	}
	published := s.send(contents)
	if published != nil {
		errs = make([]error, len(letters))
	}
	for i, of := range at {
		if published != nil {
			errs[of] = published[i]
		}
		letters[of].copied = published == nil || published[i] == nil
	}
	return errs
}

// send publishes what follows letters. Once the stream is stopped it waits until the broker delivers no more: what came back while the
// consumers are cancelled would come to nobody, and count.
func (s *stream) send(contents []content) []error {
	if s.stopping.Err() != nil {
		<-s.quiet
		return s.publish(s.topic, contents)
	}
	s.sending.Add(1)
	defer s.sending.Add(-1)
	return s.publish(s.topic, contents)
}

// goesBack is whether a letter that no handler has seen is given back by the broker itself: the stream has been stopped, and its
// connection is lost.
func (s *stream) goesBack(l *letter, settlement *queue.Settlement) bool {
	if settlement.Outcome != queue.Unused || s.stopping.Err() == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return l.session == nil
}

// finish acknowledges a settled letter. One whose connection is lost is remembered, to be acknowledged when it comes back. A nil
// letter is none.
func (s *stream) finish(l *letter) {
	if l == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.letters, l.id)
	if l.session == nil {
		l.over = true
		return
	}
	delete(s.copies, l.copy)
	for _, tag := range l.tags {
		l.session.ack(tag)
	}
}

// Publish implements queue.Driver.
func (s *stream) Publish(ctx context.Context, topic string, messages ...*message.Message) error {
	return s.broker.Publish(ctx, topic, messages...)
}

// put makes a letter ready to be claimed.
func (s *stream) put(l *letter) {
	s.mu.Lock()
	s.ready = append(s.ready, l)
	s.mu.Unlock()
	s.bell.Ring(s.topic)
}

// count returns how many letters wait for a claim and how many are claimed.
func (s *stream) count() (waiting, claimed int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.letters {
		switch {
		case l.owner != 0:
			claimed++
		case l.session != nil:
			waiting++
		}
	}
	return waiting, claimed
}
