package dlq

import "time"

// Group is the entries of a DLQ that failed for one cause.
type Group struct {
	// Signature names the cause; a Filter takes it.
	Signature string
	// Type is the failures' type, Message their normalised text; see Normalize.
	Type, Message string
	// Count is how many entries there are.
	Count int64
	// FirstSeen and LastSeen are when the oldest and the newest of them came in.
	FirstSeen, LastSeen time.Time
	// Sample is the oldest of them.
	Sample Entry
}
