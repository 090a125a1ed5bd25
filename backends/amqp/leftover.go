package amqp

import (
	"context"
	"errors"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/retry"
)

// leftOver is whether the outcome of the attempt that a letter stands for, or of a later one, is recorded already: the broker
// did not get to know, or a copy was published twice, because something broke in between. Messages of which there is no record
// never are. Of one that nothing is suspected of, only a final outcome is believed.
func (s *stream) leftOver(ctx context.Context, l *letter) (bool, error) {
	event := l.metadata[retry.MetadataCorrelationID]
	callback := event != "" && event != l.uuid
	if !callback {
		event = l.uuid
	}
	record, err := s.store.Find(ctx, event)
	if errors.Is(err, asyncevents.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	attempts, final := record.Attempts, record.Status.Final()
	if callback {
		attempts, final = record.Callback.Attempts, isFinalCallback(record.Callback.Status)
	}
	history, err := retry.ParseHistory(l.history)
	left := final || err == nil && l.suspect() && attempts > history.Last()
	if left {
		s.log.InfoContext(ctx, "amqp: a message is left out, its outcome is recorded already", "message_id", l.uuid)
	}
	return left, nil
}

func isFinalCallback(status asyncevents.CallbackStatus) bool {
	return status == asyncevents.CallbackDelivered || status == asyncevents.CallbackFailed
}
