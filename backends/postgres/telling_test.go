package postgres

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestTelling(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	of := telling{log: slog.New(slog.NewTextHandler(&log, nil))}
	at := time.Now()
	says := func(what string, err error) {
		t.Helper()
		log.Reset()
		of.ends(at, err)
		if what == "" {
			assert.Empty(t, log.String())
			return
		}
		assert.Equal(t, 1, strings.Count(log.String(), "\n"))
		assert.Contains(t, log.String(), what)
	}
	refused := errors.New("refused")

	says("", nil) // as everybody expects
	says("level=WARN msg=\"postgres: cannot notify other processes; they poll until that works\" error=refused", refused)
	says("", refused)
	says("level=INFO msg=\"postgres: other processes are notified again\"", nil)
	says("", refused) // it fails again and again
	says("", nil)
	at = at.Add(sayAgain)
	says("cannot notify", refused)
	at = at.Add(sayAgain)
	says("", refused)
	says("notified again", nil)
}
