package postgres

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestHearing(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	h := hearing{log: slog.New(slog.NewTextHandler(&log, nil))}
	at := time.Now()
	says := func(what string, change func()) {
		t.Helper()
		log.Reset()
		change()
		if what == "" {
			assert.Empty(t, log.String())
			return
		}
		assert.Equal(t, 1, strings.Count(log.String(), "\n"))
		assert.Contains(t, log.String(), what)
	}
	refused := func() { h.ends(at, errors.New("refused")) }
	unheard := func() { h.ends(at, fmt.Errorf("tried: %w", errSilent)) }

	says("", h.begins) // as everybody expects
	says("level=WARN msg=\"postgres: cannot listen for notifications; polling until that works\" error=refused", refused)
	says("", refused)
	says("heard again", h.begins)
	says("", refused) // it breaks again and again
	says("", h.begins)
	at = at.Add(sayAgain)
	says("cannot listen", refused)
	at = at.Add(sayAgain)
	says("", refused)
	says("polling instead", unheard) // another trouble is news at once
	says("", unheard)
	says("cannot listen", refused)
	says("heard again", h.begins)
}
