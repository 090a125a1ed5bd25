package postgres

import "time"

// trail is where to look for the messages of one topic, and for what became of them.
type trail struct {
	fresh *scout // by id
	later *scout // those that are due again, by the time that they are due
	held  *scout // claims, by the end of their lease
}

func newTrail() *trail {
	return &trail{fresh: newMessageScout(), later: newMessageScout(), held: newScout(
		// A lease ends after its claim was made visible. A clock that was put back is found out within a minute.
		depth{back: 10 * time.Second},
		depth{every: time.Minute},
	)}
}

// newMessageScout returns a scout for messages. Those that are passed over as a rule were published by transactions that
// overtook each other, and are visible soon. What is locked by another replica which then fails, or belongs to a transaction
// of the host's that takes a while, is found at the greater depths.
func newMessageScout() *scout {
	return newScout(
		depth{back: 500 * time.Millisecond, every: 50 * time.Millisecond},
		depth{back: 10 * time.Second, every: 250 * time.Millisecond},
		depth{every: time.Second},
	)
}

// trail returns the trail of a topic.
func (d *dialect) trail(topic string) *trail {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.trails[topic]
	if t == nil {
		t = newTrail()
		d.trails[topic] = t
	}
	return t
}

// recall has a message looked at that was given back. Which topic it belongs to is not known here; the topics are few.
func (d *dialect) recall(id int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, t := range d.trails {
		t.fresh.recall(id - 1)
	}
}
