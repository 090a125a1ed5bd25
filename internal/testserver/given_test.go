package testserver

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
)

// witness is a test that remembers how it was ended.
type witness struct {
	testing.TB
	skipped, failed string
}

func (w *witness) Helper() {}

func (w *witness) Skip(args ...any) {
	w.skipped = fmt.Sprint(args...)
	runtime.Goexit()
}

func (w *witness) Fatalf(format string, args ...any) {
	w.failed = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// watch calls f as a test would.
func watch(f func(testing.TB)) *witness {
	w, done := &witness{}, make(chan struct{})
	go func() {
		defer close(done)
		f(w)
	}()
	<-done
	return w
}

func TestGiven(t *testing.T) {
	for _, k := range Kinds() {
		t.Run(k.Name, func(t *testing.T) {
			ask := func(t testing.TB) { given(t, k) }
			t.Setenv(k.Variable, "")
			t.Setenv(RequireVariable, "")
			assert.Contains(t, watch(ask).skipped, k.Variable+" is not set")
			t.Setenv(RequireVariable, "1")
			w := watch(ask)
			assert.Empty(t, w.skipped)
			assert.Contains(t, w.failed, k.Variable+" is not set")
			t.Setenv(k.Variable, "dsn")
			assert.Equal(t, "dsn", given(t, k))
		})
	}
}

func TestPrivateWithoutPrograms(t *testing.T) {
	ask := func(t testing.TB) { private(t, nil, Program{"no-such-server"}, Program{"go"}) }
	t.Setenv(RequireVariable, "0")
	assert.Equal(t, "no-such-server: not installed: this test starts a server of its own", watch(ask).skipped)
	t.Setenv(RequireVariable, "true")
	assert.Contains(t, watch(ask).failed, "no-such-server: not installed")
}
