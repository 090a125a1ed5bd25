package amqp

import (
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// A broker that may be slow to confirm may be as slow to answer: else its connection would be cut before it confirms.
func TestLinkIsAsPatientAsPublishing(t *testing.T) {
	t.Parallel()
	for timeout, want := range map[time.Duration]time.Duration{
		DefaultPublishTimeout: callPatience,
		time.Minute:           time.Minute,
	} {
		cfg := &Config{PublishTimeout: timeout, Logger: slog.New(slog.DiscardHandler)}
		assert.Equal(t, want, newLink("test", nil, cfg).patience)
	}
}
