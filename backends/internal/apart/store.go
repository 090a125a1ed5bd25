package apart

import (
	"errors"

	"github.com/redrive-go/redrive/asyncevents"
)

// CheckStore names what is missing in a backend that is to remember for another one.
func CheckStore(store *asyncevents.Backend) error {
	switch {
	case store == nil:
		return errors.New("store must not be nil")
	case store.Subscriber == nil || store.Publisher == nil || store.Events == nil || store.DeadLetters == nil:
		return errors.New("store must be a whole backend, such as those of packages sqlite, postgres and mysql: " +
			"its queue holds what is on its way to the transport")
	}
	return nil
}
