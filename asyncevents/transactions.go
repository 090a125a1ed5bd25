package asyncevents

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/redrive-go/redrive/retry"
)

// ErrNotProcessing is returned by CompleteTx for a context that is not the one, or a child of the one, that a processor
// was called with.
var ErrNotProcessing = errors.New("not the context of a processor")

// errUncommitted is why an attempt failed whose processor returned without having committed.
var errUncommitted = errors.New("the transaction that completes the event was not committed")

// AcceptTx is Accept within the host's own transaction: the event is accepted if and only if tx commits, together with
// what else the host writes in it (a transactional outbox). tx is a *sql.Tx, or with PostgreSQL a pgx.Tx, on the database
// that the backend keeps its events in. After an error the host should roll back.
//
// It returns what Accept returns, and ErrNoTransactions where the backend cannot do that. It uses no connection but that
// of tx. A correlation id that another open transaction is accepting is waited for, as long as ctx and the server allow.
func (s *Service) AcceptTx(ctx context.Context, tx any, submission Submission) (Accepted, error) {
	if s.backend.Transactions == nil {
		return Accepted{}, fmt.Errorf("asyncevents: accept event: %w", ErrNoTransactions)
	}
	ctx, span := s.telemetry.startAccept(ctx)
	accepted, err := s.accept(ctx, submission, func(a Acceptance) (Receipt, error) {
		return s.backend.Transactions.AcceptTx(ctx, tx, a)
	})
	s.telemetry.endAccept(ctx, span, accepted, err)
	return accepted, err
}

// CompleteTx completes an event within the host's own transaction, called by its processor: the event is processed, with
// result as what the processor returns, if and only if tx commits, together with what else the host writes in it. So its
// effect happens exactly once. tx is as for AcceptTx, and ctx the one that the processor was called with.
//
// The processor then commits and returns; what it returns beside an error is not read. Without a commit the attempt has
// failed, also when it returns nil. CompleteTx returns ErrNotHeld when the event was given to somebody else meanwhile, the
// context's error when the attempt's time is up, and ErrNotProcessing or ErrNoTransactions where it cannot work: the host
// must roll back after any error.
func (s *Service) CompleteTx(ctx context.Context, tx any, event Event, result any) error {
	if s.backend.Transactions == nil {
		return fmt.Errorf("asyncevents: complete event %s: %w", event.ID, ErrNoTransactions)
	}
	running, ok := ctx.Value(completionKey{}).(*completion)
	if !ok || running.delivery.CorrelationID != event.ID {
		return fmt.Errorf("asyncevents: complete event %s: %w", event.ID, ErrNotProcessing)
	}
	delivery := running.delivery
	settlement := Settlement{
		CorrelationID: event.ID, Queue: EventsQueue, Status: StatusProcessed, Attempts: delivery.History.Last() + 1,
		History: remembered(delivery, running.started), Job: delivery.Job,
	}
	err := s.conclude(ctx, &settlement, event, result, nil)
	if err == nil {
		err = s.backend.Transactions.SettleTx(ctx, tx, settlement)
	}
	if err != nil {
		return fmt.Errorf("asyncevents: complete event %s: %w", event.ID, err)
	}
	running.settlement.Store(&settlement)
	return nil
}

// completion is an attempt that the processor may complete by itself. It travels in the attempt's context.
type completion struct {
	delivery   retry.Delivery
	started    time.Time
	settlement atomic.Pointer[Settlement] // set by CompleteTx
}

type completionKey struct{}

func withCompletion(ctx context.Context, d retry.Delivery, started time.Time) (context.Context, *completion) {
	c := &completion{delivery: d, started: started}
	return context.WithValue(ctx, completionKey{}, c), c
}
