package bench

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/memory"
	"github.com/redrive-go/redrive/backends/sqlite"
	"github.com/redrive-go/redrive/export"
)

// folder is where database files go: BENCH_DIR, or the working directory rather than the system's temporary folder, which
// may be in memory and would not sync anything.
func folder(tb testing.TB) string {
	dir := os.Getenv("BENCH_DIR")
	if dir == "" {
		dir = "."
	}
	dir, err := os.MkdirTemp(dir, ".bench-")
	must(tb, err)
	tb.Cleanup(func() { must(tb, os.RemoveAll(dir)) })
	return dir
}

var backends = []struct {
	name string
	open func(testing.TB) *asyncevents.Backend
}{
	{"memory", func(testing.TB) *asyncevents.Backend { return memory.New() }},
	{"sqlite", openSQLite},
}

func openSQLite(tb testing.TB) *asyncevents.Backend {
	b, err := sqlite.Open(context.Background(), filepath.Join(folder(tb), "bench.db"), &sqlite.Config{Logger: quiet})
	must(tb, err)
	tb.Cleanup(func() { must(tb, b.Close()) })
	return b
}

var quiet = slog.New(slog.DiscardHandler)

func newService(tb testing.TB, b *asyncevents.Backend, p asyncevents.Processor, cfg asyncevents.Config) *asyncevents.Service {
	exports, err := export.NewFolder(filepath.Join(folder(tb), "exports"))
	must(tb, err)
	cfg.Exports, cfg.Logger = exports, quiet
	s, err := asyncevents.New(b, p, &cfg)
	must(tb, err)
	return s
}

func must(tb testing.TB, err error) {
	if err != nil {
		tb.Helper()
		tb.Fatal(err)
	}
}

// body is an event of about 140 bytes, the size that the peers' figures were measured with.
var body = []byte(`{"customer":"280e674c-c4ea-4a30-987a-d9267d1a5018","action":"point_add","account":"main_account",` +
	`"data":{"points":325,"note":"welcome"}}`)
