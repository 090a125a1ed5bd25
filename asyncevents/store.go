package asyncevents

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/retry"
)

// Sentinel errors of stores.
var (
	// ErrNotFound is returned by Store.Find and Service.Status for an unknown correlation id.
	ErrNotFound = errors.New("event not found")
	// ErrNotHeld is returned by Store.Settle when the message was claimed by somebody else meanwhile: the caller's
	// outcome no longer counts.
	ErrNotHeld = dlq.ErrNotHeld
	// ErrNoTransactions is returned by Service.AcceptTx and Service.CompleteTx where the backend cannot work within the
	// host's transactions.
	ErrNoTransactions = errors.New("the backend cannot join the host's transactions")
)

// Store remembers what became of every accepted event. A backend implements it. Every method may be called from
// any number of goroutines. An error other than this package's sentinels means that the store could not be
// reached or used.
type Store interface {
	// Accept records an event and hands its message, if it has one, to the transport: after a nil error both survive a crash;
	// after an error neither may be relied on. Where the correlation id is known already, nothing is
	// recorded or published, and the Receipt says so; a store that tries again after the answer to a commit was lost may say so
	// of a call's own event. Calls made at the same time share their commits.
	Accept(ctx context.Context, acceptance Acceptance) (Receipt, error)

	// AcceptAll is Accept for up to MaxBatch events, which survive a crash together: after an error none of them may be relied on. The
	// receipts are in the order of the acceptances, none for none. An id that stands among them twice is known the second time.
	AcceptAll(ctx context.Context, acceptances []Acceptance) ([]Receipt, error)

	// Withdraw removes the record of an event that could not be handed to a transport apart from the store: one that is
	// still queued and of which no attempt has ended. Where there is none, or it went further, nothing changes and the error
	// is nil. It touches no message.
	Withdraw(ctx context.Context, correlationID string) error

	// Forget removes records of events that are done, and that nothing has changed for as long as kept, by the store's clock: those
	// that are processed, refused, or failed, with no callback pending, and with no dead letter in any DLQ. It looks at some
	// records, beginning behind the correlation id after ("" for the first), and returns where to go on, "" where it came to the
	// end, and how many it removed. It keeps no other call waiting for long.
	Forget(ctx context.Context, kept time.Duration, after string) (next string, forgotten int, err error)

	// Find returns the record of an event, or ErrNotFound.
	Find(ctx context.Context, correlationID string) (Record, error)

	// Settle records the outcome of an attempt: all of the Settlement, or with an error nothing of it.
	//
	// Where ctx is the context of a message that this backend's own Subscriber delivered, the message is
	// settled in the same transaction (removed, or rescheduled where the Settlement says so), and Settle returns
	// ErrNotHeld without a change if its claim was lost meanwhile. Otherwise the caller acknowledges the message
	// after Settle returned.
	//
	// An outcome with Again that comes when a later attempt is recorded already leaves the record as it is.
	Settle(ctx context.Context, settlement Settlement) error
}

// TxStore is a Store that can work within the host's own transactions, where those are of the same database. A backend
// implements it where it can.
//
// tx is the host's open transaction: a *sql.Tx, or with PostgreSQL a pgx.Tx. Anything else is an error. Nothing is
// committed or rolled back here, and after an error the host should roll back. A transaction belongs to one goroutine
// at a time.
type TxStore interface {
	// AcceptTx is Store.Accept within tx: the event is accepted if and only if tx commits.
	AcceptTx(ctx context.Context, tx any, acceptance Acceptance) (Receipt, error)

	// SettleTx is Store.Settle within tx: the outcome is recorded, and the message settled, if and only if tx commits.
	// Until then nobody else can get hold of the message, even when its lease runs out.
	SettleTx(ctx context.Context, tx any, settlement Settlement) error
}

// Acceptance is a new event.
type Acceptance struct {
	// CorrelationID names the event, 1 to 128 bytes.
	CorrelationID string
	// Generated is whether the library made CorrelationID a moment ago, so that no other event has it. A Store need not
	// look at it.
	Generated bool
	// BodyHash is the SHA-256 of the body, by which the same event sent again is told from another one.
	BodyHash [32]byte
	// AcceptedAt is when the event came in.
	AcceptedAt time.Time
	// Topic is where Message is published; not read where that is nil.
	Topic string
	// Message carries the event: its UUID is the correlation id, its payload the body. Where it is nil the event is recorded
	// and nothing is published: the caller has a transport apart from the store.
	Message *message.Message
}

// Receipt is the answer to an Acceptance.
type Receipt struct {
	// Known is whether the correlation id was recorded before, so that nothing was recorded now.
	Known bool
	// BodyHash is the hash recorded with it, when Known.
	BodyHash [32]byte
	// Status is where the recorded event stands, when Known. It is read together with the hash, so that nothing is left to
	// ask for: within a host's transaction that would take a second connection.
	Status Status
}

// Record is what a Store knows of an event.
type Record struct {
	// CorrelationID names the event.
	CorrelationID string
	// BodyHash is the SHA-256 of its body.
	BodyHash [32]byte
	// Status is where it stands. A Store derives StatusExported from the DLQ.
	Status Status
	// Attempts is how many attempts ended, through all redrives.
	Attempts int
	// History is the attempts that ended, the latest as far as retry.MaxHistory goes; empty where the first one succeeded.
	History retry.History
	// RedrivenAt is when it was moved back from the DLQ the last time; zero where it was not.
	RedrivenAt time.Time
	// NextAttemptAt is when the next attempt is due; zero when none is planned or it is due already.
	NextAttemptAt time.Time
	// Response is the value of "response" in the status answer; nil until the event is done.
	Response json.RawMessage
	// CreatedAt is when it was accepted, UpdatedAt when the record last changed.
	CreatedAt, UpdatedAt time.Time
	// Callback is where its callback stands.
	Callback CallbackRecord
}

// CallbackRecord is what a Store knows of an event's callback.
type CallbackRecord struct {
	// Status is where it stands.
	Status CallbackStatus
	// Attempts is how many attempts ended, through all redrives.
	Attempts int
	// History and RedrivenAt are those of the callback.
	History    retry.History
	RedrivenAt time.Time
	// NextAttemptAt is when the next attempt is due; zero when none is planned or it is due already.
	NextAttemptAt time.Time
	// UpdatedAt is when it last changed.
	UpdatedAt time.Time
}

// Settlement is the outcome of one attempt at an event or at its callback. Which of the two says Queue.
type Settlement struct {
	// CorrelationID names the event. Where the store has no record of it, the rest is settled all the same.
	CorrelationID string
	// Queue is EventsQueue or CallbacksQueue.
	Queue string
	// Status is the event's new status, on EventsQueue.
	Status Status
	// Callback is the callback's new status, on CallbacksQueue; and on EventsQueue CallbackPending when Publish is set.
	Callback CallbackStatus
	// Attempts is how many attempts of this queue ended, through all redrives.
	Attempts int
	// History is these attempts, and takes the place of what is recorded. Nil leaves that as it is: the first attempt succeeded,
	// or there was none.
	History retry.History
	// Job, when not empty, is the retry job for which the outcome counts, unless it is Again. One that is not known is passed over.
	Job string
	// Response is the value of "response" in the status answer, when the event is done.
	Response json.RawMessage
	// Publish, when not nil, is a message to hand to the transport on PublishTopic together with the rest.
	Publish *message.Message
	// PublishTopic is where Publish goes.
	PublishTopic string
	// DeadLetter, when not nil, is added to its DLQ together with the rest.
	DeadLetter *dlq.Entry
	// Again, when not nil, reschedules the message that is being settled instead of removing it.
	Again *Again
}

// CountFor adds the outcome to those of a retry job. Again is none.
func (s *Settlement) CountFor(o *retry.Outcome) {
	switch {
	case s.Again != nil:
	case s.DeadLetter != nil:
		o.CameBack++
	case s.Status == StatusError:
		o.Refused++
	default:
		o.Processed++
	}
}

// Again says when and how a message is delivered again.
type Again struct {
	// After is the shortest time until the next delivery.
	After time.Duration
	// Metadata is the message's metadata from then on.
	Metadata message.Metadata
	// Postponed is whether there was no attempt, because it was not the time for one. Metadata says so, too: to a Store it makes no
	// difference.
	Postponed bool
}
