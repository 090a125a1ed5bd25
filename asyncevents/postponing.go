package asyncevents

import (
	"errors"
	"strconv"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/redrive-go/redrive/asyncevents/callback"
	"github.com/redrive-go/redrive/retry"
)

// sparedFor is how long a callback waits at most for a host that is spared, because it fails, before that counts as a failed
// attempt: what waits for a host that is gone for good has to end in the DLQ.
const sparedFor = 5 * time.Minute

// postponed is whether err means that there was no attempt, because the host has enough to do or is spared, and after how long
// there may be one. It notes so on the message. Waiting for one's turn has no end of its own: whoever is before one has.
func postponed(msg *message.Message, d retry.Delivery, now time.Time, err error) (wait time.Duration, yes bool) {
	var busy *callback.BusyError
	if !errors.As(err, &busy) {
		delete(msg.Metadata, retry.MetadataPostponedSince)
		return 0, false
	}
	since := d.PostponedSince
	switch {
	case busy.Failures == 0:
		since = time.Time{}
	case since.IsZero():
		since = now
	}
	delete(msg.Metadata, retry.MetadataPostponedSince)
	if !since.IsZero() {
		if now.Sub(since) >= sparedFor {
			return 0, false
		}
		msg.Metadata.Set(retry.MetadataPostponedSince, since.UTC().Format(time.RFC3339Nano))
	}
	msg.Metadata.Set(retry.MetadataPostponed, strconv.Itoa(d.Postponed+1))
	return busy.After, true
}
