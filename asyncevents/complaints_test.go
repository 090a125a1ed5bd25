package asyncevents

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestComplaintsAreOneASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		c := complaints{logger: slog.New(slog.NewTextHandler(&log, nil))}
		for range 1000 {
			c.log(t.Context(), "cannot accept", errors.New("disk full"))
		}
		time.Sleep(complaintInterval)
		c.log(t.Context(), "cannot accept", errors.New("disk full"))
		assert.Equal(t, 2, strings.Count(log.String(), "\n"))
		assert.Contains(t, log.String(), "more_since_last=0")
		assert.Contains(t, log.String(), "more_since_last=999")
	})
}
