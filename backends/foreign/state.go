package foreign

import (
	"errors"
	"log/slog"
	"sync"
	"time"
)

// sayAgain is after how long trouble is news again.
const sayAgain = time.Minute

// state is whether something works. The log gets a line when that changes, and not one a message.
type state struct {
	log  *slog.Logger
	what string

	mu     sync.Mutex
	cause  error
	saidAt time.Time
}

// fails notes that it does not work.
func (s *state) fails(cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	news := s.cause == nil || time.Since(s.saidAt) > sayAgain
	s.cause = cause
	if news {
		s.saidAt = time.Now()
		s.log.Warn("foreign: cannot "+s.what+"; it is tried again", "error", cause)
	}
}

// works notes that it does.
func (s *state) works() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cause != nil {
		s.cause = nil
		s.log.Info("foreign: can " + s.what + " again")
	}
}

// trouble returns why it does not work; nil while it does.
func (s *state) trouble() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cause
}

// errEnded is why an inbox is not subscribed whose channel was closed.
var errEnded = errors.New("the foreign subscriber closed the channel")
