package apart

import (
	"context"

	"github.com/redrive-go/redrive/asyncevents"
)

// Count counts the messages of a topic, wherever they are.
type Count func(ctx context.Context, topic string) (asyncevents.Backlog, error)

// LookTwice returns a Count that believes in nothing only when count finds it twice in a row. Messages go round between store,
// transport and processes, which are asked one after the other: what moves meanwhile may be where nobody looks.
func LookTwice(count Count) Count {
	return func(ctx context.Context, topic string) (asyncevents.Backlog, error) {
		total, err := count(ctx, topic)
		if err == nil && total == (asyncevents.Backlog{}) {
			return count(ctx, topic)
		}
		return total, err
	}
}
