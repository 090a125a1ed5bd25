package apart

import (
	"context"
	"fmt"

	"github.com/redrive-go/redrive/asyncevents"
)

// transactions accepts events within the host's transactions. It implements asyncevents.TxStore.
type transactions struct {
	store  asyncevents.TxStore
	relays *Relays
}

// NewTransactions returns a store's ability to accept events within the host's transactions, for a backend whose transport is apart;
// nil where the store has none.
func NewTransactions(store asyncevents.TxStore, relays *Relays) asyncevents.TxStore {
	if store == nil {
		return nil
	}
	return &transactions{store, relays}
}

// AcceptTx puts the event into the store's queue. A relay finds it once the transaction is committed.
func (t *transactions) AcceptTx(ctx context.Context, tx any, a asyncevents.Acceptance) (asyncevents.Receipt, error) {
	receipt, err := t.store.AcceptTx(ctx, tx, a)
	if err == nil && !receipt.Known {
		err = t.relays.Run(a.Topic)
	}
	return receipt, err
}

// SettleTx returns asyncevents.ErrNoTransactions: the message is not in the database.
func (t *transactions) SettleTx(context.Context, any, asyncevents.Settlement) error {
	return fmt.Errorf("settle a message of a transport that is apart from the store: %w", asyncevents.ErrNoTransactions)
}
