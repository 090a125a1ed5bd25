package queue

import (
	"time"

	"github.com/ThreeDotsLabs/watermill/components/delay"
	"github.com/ThreeDotsLabs/watermill/message"
)

const (
	delayedForKey   = delay.DelayedForKey
	delayedUntilKey = delay.DelayedUntilKey
)

// DelayOf reads Watermill's delay from a message's metadata. The duration is read first: it counts from the store's
// clock, where the time of day that stands beside it came from the sender's. A delay that cannot be read counts as
// none: one odd message must not stop a topic.
func DelayOf(metadata message.Metadata) (wait time.Duration, ok bool) {
	if text := metadata.Get(delayedForKey); text != "" {
		if d, err := time.ParseDuration(text); err == nil {
			return max(d, 0), true
		}
	}
	if text := metadata.Get(delayedUntilKey); text != "" {
		if at, err := time.Parse(time.RFC3339, text); err == nil {
			return max(time.Until(at), 0), true
		}
	}
	return 0, false
}
