package foreign

import (
	"context"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/internal/apart"
)

// events is the store of events, which hands the messages of some to the transport. Everything else is the store's, Settle
// too: what is delivered comes from the store's own queue. It implements asyncevents.Store.
type events struct {
	*apart.Events
	outbox bool
}

// Accept implements asyncevents.Store. An event whose id the client chose goes into the store's queue at once: only there its
// record and its message are of one transaction, and the same event sent again finds both or neither.
func (e *events) Accept(ctx context.Context, a asyncevents.Acceptance) (asyncevents.Receipt, error) {
	if e.outbox || !a.Generated {
		return e.Store.Accept(ctx, a)
	}
	return e.Events.Accept(ctx, a)
}

// AcceptAll implements asyncevents.Store. All of them go into the store's queue, for the same reason.
func (e *events) AcceptAll(ctx context.Context, acceptances []asyncevents.Acceptance) ([]asyncevents.Receipt, error) {
	return e.Store.AcceptAll(ctx, acceptances)
}
