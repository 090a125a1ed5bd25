package sqlstore

import (
	"context"
	"errors"

	"github.com/redrive-go/redrive/asyncevents"
)

// Join makes a Tx of the host's own transaction, or says why it cannot.
type Join func(ctx context.Context, tx any) (Tx, error)

// Transactions implements asyncevents.TxStore: it works within transactions that the host commits.
type Transactions struct {
	events *Events
	join   Join
}

// NewTransactions returns the TxStore of a database whose transactions join understands.
func NewTransactions(events *Events, join Join) *Transactions { return &Transactions{events, join} }

// AcceptTx implements asyncevents.TxStore.
func (s *Transactions) AcceptTx(
	ctx context.Context, tx any, a asyncevents.Acceptance,
) (receipt asyncevents.Receipt, err error) {
	call, err := newAccepting(a)
	if err == nil {
		receipt, err = s.accept(ctx, tx, call)
	}
	return receipt, s.events.failure("accept", a.CorrelationID, err)
}

func (s *Transactions) accept(ctx context.Context, tx any, call *accepting) (asyncevents.Receipt, error) {
	t, err := s.join(ctx, tx)
	if err != nil {
		return asyncevents.Receipt{}, err
	}
	_, err = s.events.accept(t, []*accepting{call})
	if errors.Is(err, errKnown) {
		var fresh []*accepting
		fresh, err = unknown(t, []*accepting{call})
		if err == nil && len(fresh) > 0 { // known, and yet not to be seen at the host's level of isolation
			err = errKnown
		}
		return call.receipt, err
	}
	if err == nil && call.Message != nil {
		s.events.queue.ringSoon(call.Topic)
	}
	return asyncevents.Receipt{}, err
}

// SettleTx implements asyncevents.TxStore.
func (s *Transactions) SettleTx(ctx context.Context, tx any, settlement asyncevents.Settlement) error {
	return s.events.failure("settle", settlement.CorrelationID, s.settle(ctx, tx, settlement))
}

func (s *Transactions) settle(ctx context.Context, tx any, settlement asyncevents.Settlement) error {
	call, err := s.events.newSettling(ctx, settlement)
	if err != nil {
		return err
	}
	t, err := s.join(ctx, tx)
	if err != nil {
		return err
	}
	if call.claim != nil {
		call.claim.MarkTouched()
	}
	published, err := s.events.settleAll(t, []*settling{call})
	if err != nil {
		return err
	}
	if call.lost {
		return asyncevents.ErrNotHeld
	}
	if call.claim != nil {
		call.claim.MarkCompleted()
	}
	for i := range published {
		s.events.queue.ringSoon(published[i].Topic)
	}
	return nil
}
