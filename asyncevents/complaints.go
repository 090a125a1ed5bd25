package asyncevents

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// complaintInterval is how often the same trouble is worth a line.
const complaintInterval = time.Second

// complaints logs errors of requests, at most one a second: in an outage every request has the same to say.
type complaints struct {
	logger *slog.Logger

	mu         sync.Mutex
	last       time.Time
	suppressed int
}

func (c *complaints) log(ctx context.Context, message string, err error) {
	c.mu.Lock()
	now := time.Now()
	if now.Sub(c.last) < complaintInterval {
		c.suppressed++
		c.mu.Unlock()
		return
	}
	suppressed := c.suppressed
	c.last, c.suppressed = now, 0
	c.mu.Unlock()
	c.logger.ErrorContext(ctx, message, slog.Any("error", err), slog.Int("more_since_last", suppressed))
}
