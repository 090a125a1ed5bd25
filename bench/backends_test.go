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

// A kind is a backend that the benchmarks run on.
type kind struct {
	name string
	// durable says that what it stores outlives the process, and server that several processes may share it.
	durable, server bool
	// place makes an empty store of the benchmark's own, gone at its end, and returns what open takes. It skips the
	// benchmark where there is no server.
	place func(testing.TB) string
	open  func(ctx context.Context, place string) (*asyncevents.Backend, error)
	// timed, where it is not nil, opens it so that claims are timed.
	timed func(ctx context.Context, place string, c *claims) (*asyncevents.Backend, error)
	// multiply, where it is not nil, makes n messages of the one that waits on the topic "bench", faster than they
	// could be published.
	multiply func(tb testing.TB, place string, n int)
	// linger, of servers, opens a transaction that sees everything at a place as it is now, until the end of the benchmark.
	linger func(tb testing.TB, place string)
	// rest, where it is not nil, leaves the server at a place nothing to do of its own accord.
	rest func(tb testing.TB, place string)
}

var backends = []kind{
	{name: "memory", place: nowhere, open: openMemory},
	{name: "sqlite", durable: true, place: databaseFile, open: openSQLite},
	{
		name: "postgres", durable: true, server: true, place: postgresDatabase, open: openPostgres,
		timed: openTimed, multiply: multiplyOnPostgres, linger: lingerOnPostgres, rest: vacuum,
	},
	{name: "mysql", durable: true, server: true, place: mysqlDatabase, open: openMySQL, linger: lingerOnMySQL},
	{name: "amqp", place: rabbitmqPlace, open: openRabbitMQ},
}

// durable are the backends whose store outlives the process.
func durable() []kind { return only(func(k kind) bool { return k.durable }) }

// servers are the backends that several processes share.
func servers() []kind { return only(func(k kind) bool { return k.server }) }

// named is the backend of that name.
func named(name string) []kind { return only(func(k kind) bool { return k.name == name }) }

func only(wanted func(kind) bool) (kinds []kind) {
	for _, k := range backends {
		if wanted(k) {
			kinds = append(kinds, k)
		}
	}
	return kinds
}

// fresh opens an empty store.
func (k kind) fresh(tb testing.TB) *asyncevents.Backend {
	return k.at(tb, k.place(tb))
}

// at opens the store at a place until the benchmark ends.
func (k kind) at(tb testing.TB, place string) *asyncevents.Backend {
	backend, err := k.open(context.Background(), place)
	must(tb, err)
	tb.Cleanup(func() { must(tb, backend.Close()) })
	return backend
}

// fill makes n messages wait on the topic "bench".
func (k kind) fill(b *testing.B, place string, backend *asyncevents.Backend, n int) {
	if k.multiply == nil {
		publish(b, backend.Publisher, n)
		return
	}
	publish(b, backend.Publisher, 1)
	k.multiply(b, place, n)
}

// atRest lets the store do at once what it would do in the background for what was just filled in.
func (k kind) atRest(tb testing.TB, place string) {
	if k.rest != nil {
		k.rest(tb, place)
	}
}

func nowhere(testing.TB) string { return "" }

func openMemory(context.Context, string) (*asyncevents.Backend, error) { return memory.New(), nil }

func databaseFile(tb testing.TB) string { return filepath.Join(folder(tb), "bench.db") }

func openSQLite(ctx context.Context, place string) (*asyncevents.Backend, error) {
	return sqlite.Open(ctx, place, &sqlite.Config{Logger: quiet})
}

// folder is a folder for database files or exports, gone at the end of the benchmark.
func folder(tb testing.TB) string {
	dir, err := makeFolder()
	must(tb, err)
	tb.Cleanup(func() { must(tb, os.RemoveAll(dir)) })
	return dir
}

// makeFolder makes it below BENCH_DIR, or the working directory rather than the system's temporary folder, which may be
// in memory and would not sync anything.
func makeFolder() (string, error) {
	dir := os.Getenv("BENCH_DIR")
	if dir == "" {
		dir = "."
	}
	return os.MkdirTemp(dir, ".bench-")
}

var quiet = slog.New(slog.DiscardHandler)

func newService(
	tb testing.TB, b *asyncevents.Backend, p asyncevents.Processor, cfg asyncevents.Config,
) *asyncevents.Service {
	s, err := buildService(b, folder(tb), p, cfg)
	must(tb, err)
	return s
}

func buildService(
	b *asyncevents.Backend, dir string, p asyncevents.Processor, cfg asyncevents.Config,
) (*asyncevents.Service, error) {
	exports, err := export.NewFolder(dir)
	if err != nil {
		return nil, err
	}
	cfg.Exports, cfg.Logger = exports, quiet
	return asyncevents.New(b, p, &cfg)
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
