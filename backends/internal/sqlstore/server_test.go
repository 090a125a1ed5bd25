package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// standing is a Source of a server on which a schema stands, unless it fails.
type standing struct {
	version int
	tries   int
	fails   func(try int) error
}

func (s *standing) Begin(context.Context, Isolation) (Transaction, error) {
	return nil, errors.ErrUnsupported
}
func (s *standing) Direct(context.Context) Tx { return s }
func (s *standing) Limit() int                { return 0 }
func (s *standing) Close() error              { return nil }

// Exec implements Tx.
func (s *standing) Exec(string, ...any) (int64, error) { return 0, errors.ErrUnsupported }

// Query implements Tx.
func (s *standing) Query(scan func(Scanner) error, _ string, _ ...any) error {
	s.tries++
	if err := s.fails(s.tries); err != nil {
		return err
	}
	return scan(s)
}

// Scan implements Scanner.
func (s *standing) Scan(dest ...any) error {
	*dest[0].(*int) = s.version
	return nil
}

// said is what was logged.
type said struct {
	mu   sync.Mutex
	text strings.Builder
}

// Write implements io.Writer.
func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

// take returns what was logged since it was last called.
func (s *said) take() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.text.Reset()
	return s.text.String()
}

// A server that is away at the start is waited for, and its operator learns why, again when that changes or goes on for long, and
// that it is over.
func TestOutageIsLogged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log said
		says := func(what string) {
			t.Helper()
			synctest.Wait()
			lines := log.take()
			if what == "" {
				assert.Empty(t, lines)
				return
			}
			assert.Equal(t, 1, strings.Count(lines, "\n"), lines)
			assert.Contains(t, lines, what)
		}
		var cause atomic.Value
		cause.Store("refused on port")
		from := &standing{version: 1}
		from.fails = func(try int) error {
			if cause.Load() == "" {
				return nil
			}
			return fmt.Errorf("%w: %s %d", ErrUnavailable, cause.Load(), try)
		}
		s := NewServer("some", from)
		m := &Migrator{Versions: make([]string, 1), Skip: true}
		require.NoError(t, s.Prepare(t.Context(), m, slog.New(slog.NewTextHandler(&log, nil))))
		says("level=WARN msg=\"some: the database cannot be used yet; it is tried again\"")
		require.ErrorContains(t, s.Usable(t.Context()), "refused on port")

		time.Sleep(sayAgain - time.Second)
		says("")
		time.Sleep(4 * time.Second) // until it is tried again
		says("refused on port")
		cause.Store("starting up")
		time.Sleep(2 * time.Second)
		says("starting up")
		cause.Store("")
		time.Sleep(2 * time.Second)
		says("level=INFO msg=\"some: the database can be used\"")
		require.NoError(t, s.Usable(t.Context()))
		require.NoError(t, s.Close())
	})
}

// Nothing is said of a server that was waited for in vain.
func TestOutageEndsWithClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log said
		s := NewServer("some", &standing{fails: func(int) error { return ErrUnavailable }})
		require.NoError(t, s.Prepare(t.Context(), &Migrator{}, slog.New(slog.NewTextHandler(&log, nil))))
		time.Sleep(time.Second)
		require.NoError(t, s.Close())
		assert.Equal(t, 1, strings.Count(log.take(), "\n"))
	})
}

// That commits are not synced is said when the database can be used, whether at once or after it was waited for.
func TestUnsyncedIsLogged(t *testing.T) {
	t.Parallel()
	const (
		unsynced = "level=WARN msg=\"some: commits are not synced to the disk before they return; a crash of the server can lose " +
			"events that were accepted, and undo what was settled\" setting=\"sync = off\"\n"
		untold = "level=WARN msg=\"some: cannot tell whether commits are synced to the disk\" error=forbidden\n"
	)
	for _, test := range []struct {
		name    string
		setting string
		err     error
		away    int // for how many tries
		want    string
	}{
		{"synced", "", nil, 0, "^$"},
		{"unsynced", "sync = off", nil, 0, "^[^\n]*" + unsynced + "$"},
		{"untold", "", errors.New("forbidden"), 0, "^[^\n]*" + untold + "$"},
		{"unsynced after it was away", "sync = off", nil, 2, "can be used\"\n[^\n]*" + unsynced + "$"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log said
				s := NewServer("some", &standing{fails: func(try int) error {
					if try <= test.away {
						return ErrUnavailable
					}
					return nil
				}})
				s.Unsynced = func(Tx) (string, error) { return test.setting, test.err }
				require.NoError(t, s.Prepare(t.Context(), &Migrator{}, slog.New(slog.NewTextHandler(&log, nil))))
				time.Sleep(time.Second)
				require.NoError(t, s.Close())
				assert.Regexp(t, test.want, log.take())
			})
		})
	}
}
