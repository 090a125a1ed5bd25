package bench

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

// riverJob carries the same event as ours.
type riverJob struct {
	Event json.RawMessage `json:"event"`
}

// Kind names the job.
func (riverJob) Kind() string { return "bench" }

// newRiver is a client of River on a database that it has migrated. Its logger says nothing, as ours.
func newRiver(tb testing.TB, pool *pgxpool.Pool, cfg river.Config) *river.Client[pgx.Tx] {
	driver := riverpgxv5.New(pool)
	migrator, err := rivermigrate.New(driver, &rivermigrate.Config{Logger: quiet})
	must(tb, err)
	_, err = migrator.Migrate(context.Background(), rivermigrate.DirectionUp, nil)
	must(tb, err)
	cfg.Logger = quiet
	client, err := river.NewClient(driver, &cfg)
	must(tb, err)
	return client
}

// acceptRiver inserts one job a call.
func acceptRiver(b *testing.B, callers int) {
	client := newRiver(b, postgresPool(b, postgresDatabase(b), riverInsertConnections), river.Config{})
	accepted(b, callers, func(ctx context.Context) error {
		_, err := client.Insert(ctx, riverJob{body}, nil)
		return err
	})
}

// consumeRiver works what waits with a number of workers.
func consumeRiver(b *testing.B, workers int, takes time.Duration) {
	dsn := postgresDatabase(b)
	pool := postgresPool(b, dsn, riverWorkConnections)
	fillRiver(b, pool, b.N)
	vacuum(b, dsn)
	var handled atomic.Int64
	done := make(chan struct{})
	handlers := river.NewWorkers()
	river.AddWorker(handlers, river.WorkFunc(func(context.Context, *river.Job[riverJob]) error {
		if takes > 0 {
			time.Sleep(takes)
		}
		if handled.Add(1) == int64(b.N) {
			close(done)
		}
		return nil
	}))
	client := newRiver(b, pool, river.Config{
		FetchCooldown: riverFetchCooldown, FetchPollInterval: riverFetchPollInterval, Workers: handlers,
		Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: workers}},
	})
	measured(b, func() {
		must(b, client.Start(context.Background()))
		<-done
		must(b, client.Stop(context.Background()))
	})
}

func fillRiver(b *testing.B, pool *pgxpool.Pool, n int) {
	client := newRiver(b, pool, river.Config{})
	for n > 0 {
		batch := make([]river.InsertManyParams, min(n, 1000))
		for i := range batch {
			batch[i].Args = riverJob{body}
		}
		_, err := client.InsertManyFast(context.Background(), batch)
		must(b, err)
		n -= len(batch)
	}
}
