package asyncevents_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/internal/soak"
	"github.com/redrive-go/redrive/retry"
)

// batches lets retry jobs move that many entries at a time, without a cooldown.
func batches(t *testing.T, s *asyncevents.Service, size int) {
	t.Helper()
	require.NoError(t, s.RetryJobs().SaveSettings(t.Context(), retry.Settings{BatchSize: size}))
}

func awaitJob(t *testing.T, s *asyncevents.Service, want retry.State) retry.Job {
	t.Helper()
	var job retry.Job
	await(t, "job "+string(want), func() bool {
		var err error
		job, err = s.RetryJobs().Job(context.Background(), asyncevents.EventsQueue)
		return err == nil && job.State == want
	})
	return job
}

// mortal is what a process has of the store: nothing any more once it is dead. It dies after so many calls, before or
// after the last of them took effect.
type mortal struct {
	retry.Store
	retry.Mover
	left  atomic.Int64
	after bool
	died  chan struct{}
	once  sync.Once
}

var errDead = errors.New("this process is dead")

// call makes a call unless the process is dead.
func (m *mortal) call(do func() error) error {
	left := m.left.Add(-1)
	switch {
	case left > 0:
		return do()
	case left == 0 && m.after:
		_ = do() // it took effect, but nobody lived to hear of it
	}
	m.once.Do(func() { close(m.died) })
	return errDead
}

func (m *mortal) Claim(ctx context.Context, queue, owner string, lease time.Duration) (job retry.Job, err error) {
	err = m.call(func() error {
		job, err = m.Store.Claim(ctx, queue, owner, lease)
		return err
	})
	if errors.Is(err, errDead) {
		return retry.Job{}, err
	}
	return job, err
}

func (m *mortal) Save(ctx context.Context, owner string, job retry.Job) error {
	return m.call(func() error { return m.Store.Save(ctx, owner, job) })
}

func (m *mortal) Move(ctx context.Context, b retry.Batch) (moved retry.Moved, err error) {
	err = m.call(func() error {
		moved, err = m.Mover.Move(ctx, b)
		return err
	})
	if errors.Is(err, errDead) {
		return retry.Moved{}, err
	}
	return moved, err
}

// runMortal runs jobs in a process that dies after so many calls, and returns when it has.
func runMortal(t *testing.T, b *asyncevents.Backend, calls int64, after bool) {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	m := &mortal{Store: b.Jobs, Mover: dlq.NewManager(b.DeadLetters, quiet), after: after, died: make(chan struct{})}
	m.left.Store(calls)
	runner, err := retry.NewRunner(m, m, asyncevents.Queues()[:1], &retry.RunnerConfig{
		Lease: 100 * time.Millisecond, PollInterval: 5 * time.Millisecond, Logger: quiet,
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- runner.Run(ctx) }()
	<-m.died
	cancel()
	require.NoError(t, <-ended)
}

func TestRetryJobSurvivesTwentyDeaths(t *testing.T) {
	onEach(t, func(t *testing.T, b *asyncevents.Backend) { survivesDeaths(t, b, retry.Options{}, 0) })
}

// A job with a filter moves what that means, and leaves the others.
func TestFilteredRetryJobSurvivesTwentyDeaths(t *testing.T) {
	onEach(t, func(t *testing.T, b *asyncevents.Backend) {
		const others = 50
		for n := range others {
			require.NoError(t, b.DeadLetters.Add(t.Context(), dlq.Entry{
				Queue: asyncevents.EventsQueue, Topic: eventsTopic, MessageID: fmt.Sprint("other", n), Payload: []byte(`{}`),
				Failure: dlq.Failure{Type: "test", Message: "left out"},
			}))
		}
		filter := dlq.Filter{Error: "filled in"}
		criteria, err := filter.Criteria()
		require.NoError(t, err)
		survivesDeaths(t, b, retry.Options{Criteria: criteria}, others)
	})
}

// survivesDeaths has the process of a job die again and again. So many entries are not the job's.
func survivesDeaths(t *testing.T, b *asyncevents.Backend, options retry.Options, others int) {
	const deaths = 20
	entries := few(b, soak.Long(2_000, 100_000))
	fill(t, b, entries)
	var seen starts
	s, err := asyncevents.New(b, working(&seen, 0), quick(t, nil))
	require.NoError(t, err)
	batches(t, s, entries/100)
	job, err := s.RetryJobs().Start(t.Context(), asyncevents.EventsQueue, "test", options)
	require.NoError(t, err)
	assert.EqualValues(t, entries, job.Total)
	random := rand.New(rand.NewPCG(1, 2))
	for death := range deaths {
		runMortal(t, b, 1+random.Int64N(14), death%2 == 0)
		moved := awaitJob(t, s, retry.StateRunning).Moved
		left := count(t, s, asyncevents.EventsQueue)
		require.EqualValues(t, entries+others, moved+left, "what was moved and what is left")
	}
	require.Positive(t, awaitJob(t, s, retry.StateRunning).Moved)
	finish(t, b)
	job = awaitJob(t, s, retry.StateCompleted)
	assert.EqualValues(t, entries, job.Moved)
	assert.EqualValues(t, others, count(t, s, asyncevents.EventsQueue))
	s, _ = run(t, b, working(&seen, 0), nil)
	awaitIdle(t, s, asyncevents.EventsQueue)
	assert.Equal(t, map[int]int{1: entries}, seen.perEvent(), "each moved and processed once")
}

// finish runs jobs in a process that lives until the job has ended.
func finish(t *testing.T, b *asyncevents.Backend) {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	runner, err := retry.NewRunner(b.Jobs, dlq.NewManager(b.DeadLetters, quiet), asyncevents.Queues(),
		&retry.RunnerConfig{Lease: time.Second, PollInterval: 5 * time.Millisecond, Logger: quiet})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- runner.Run(ctx) }()
	await(t, "the job's end", func() bool {
		job, err := runner.Job(context.Background(), asyncevents.EventsQueue)
		return err == nil && job.State.Ended()
	})
	cancel()
	require.NoError(t, <-ended)
}

// gate is a Mover that stops at its third move until it is opened.
type gate struct {
	retry.Mover
	moves   atomic.Int64
	reached chan struct{}
	opened  chan struct{}
}

func (g *gate) Move(ctx context.Context, b retry.Batch) (retry.Moved, error) {
	if g.moves.Add(1) == 3 {
		close(g.reached)
		<-g.opened
	}
	return g.Mover.Move(ctx, b)
}

func TestStoppedRetryJob(t *testing.T) {
	onEach(t, func(t *testing.T, b *asyncevents.Backend) {
		fill(t, b, 500)
		var seen starts
		s, err := asyncevents.New(b, working(&seen, 0), quick(t, nil))
		require.NoError(t, err)
		batches(t, s, 20)
		quiet := slog.New(slog.DiscardHandler)
		g := &gate{Mover: s.DeadLetters(), reached: make(chan struct{}), opened: make(chan struct{})}
		runner, err := retry.NewRunner(b.Jobs, g, asyncevents.Queues(), &retry.RunnerConfig{Logger: quiet})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- runner.Run(ctx) }()
		_, err = runner.Start(t.Context(), asyncevents.EventsQueue, "test", retry.Options{})
		require.NoError(t, err)
		<-g.reached
		// Another replica stops it, in the middle of its third batch.
		job, err := s.RetryJobs().Stop(t.Context(), asyncevents.EventsQueue)
		require.NoError(t, err)
		assert.Equal(t, retry.StateStopping, job.State)
		close(g.opened)
		job = awaitJob(t, s, retry.StateStopped)
		cancel()
		require.NoError(t, <-ended)
		assert.EqualValues(t, 3, g.moves.Load(), "no batch after the one under way")
		assert.EqualValues(t, 60, job.Moved)
		assert.EqualValues(t, 440, job.Remaining())
		assert.EqualValues(t, 440, count(t, s, asyncevents.EventsQueue))
		_, err = s.RetryJobs().Stop(t.Context(), asyncevents.EventsQueue)
		require.ErrorIs(t, err, retry.ErrNoJob)

		s, _ = run(t, b, working(&seen, 0), nil)
		awaitIdle(t, s, asyncevents.EventsQueue)
		assert.Equal(t, map[int]int{1: 60}, seen.perEvent())
		job, err = s.RetryJobs().Start(t.Context(), asyncevents.EventsQueue, "test", retry.Options{})
		require.NoError(t, err)
		assert.EqualValues(t, 440, job.Total)
		assert.EqualValues(t, 440, awaitJob(t, s, retry.StateCompleted).Moved)
	})
}

func TestTwoStartsAtOnce(t *testing.T) {
	onEachPlace(t, func(t *testing.T, open place) {
		first := open(t)
		fill(t, first, 300)
		var seen starts
		var replicas []*asyncevents.Service
		for _, b := range []*asyncevents.Backend{first, open(t)} {
			s, _ := run(t, b, working(&seen, 0), nil)
			replicas = append(replicas, s)
		}
		// A cooldown keeps the one that runs from ending before the other is refused.
		require.NoError(t, replicas[0].RetryJobs().SaveSettings(t.Context(), retry.Settings{BatchSize: 100, CooldownMinutes: 1}))
		var started, refused atomic.Int64
		var starting sync.WaitGroup
		for i := range 20 {
			starting.Go(func() {
				_, err := replicas[i%2].RetryJobs().Start(context.Background(), asyncevents.EventsQueue, "test", retry.Options{})
				switch {
				case err == nil:
					started.Add(1)
				case assert.ErrorIs(t, err, retry.ErrRunning):
					refused.Add(1)
				}
			})
		}
		starting.Wait()
		assert.EqualValues(t, 1, started.Load())
		assert.EqualValues(t, 19, refused.Load())
		assert.EqualValues(t, 100, awaitJob(t, replicas[0], retry.StateCoolingDown).Moved)
		batches(t, replicas[1], 100)
		batches(t, replicas[0], 100) // each wakes its own runner: one of them has the job
		job := awaitJob(t, replicas[1], retry.StateCompleted)
		assert.EqualValues(t, 300, job.Moved)
		assert.EqualValues(t, 300, job.Total)
		awaitIdle(t, replicas[0], asyncevents.EventsQueue)
		assert.Equal(t, map[int]int{1: 300}, seen.perEvent())
	})
}

func TestRetryJobMeetsEachEntryOnce(t *testing.T) {
	onEach(t, func(t *testing.T, b *asyncevents.Backend) {
		var seen starts
		s, _ := run(t, b, func(ctx context.Context, e asyncevents.Event) (any, error) {
			seen.add(e.ID)
			return hopeless(ctx, e)
		}, nil)
		acceptMany(t, s, "e", 200, bare)
		awaitDead(t, s, asyncevents.EventsQueue, 200)
		batches(t, s, 10)
		_, err := s.RetryJobs().Start(t.Context(), asyncevents.EventsQueue, "test", retry.Options{})
		require.NoError(t, err)
		job := awaitJob(t, s, retry.StateCompleted)
		assert.EqualValues(t, 200, job.Total)
		assert.EqualValues(t, 200, job.Moved)
		assert.EqualValues(t, 20, job.Batches)
		for _, e := range awaitDead(t, s, asyncevents.EventsQueue, 200) {
			assert.Equal(t, 1, e.Redrives)
			assert.Len(t, e.Attempts, 2)
			assert.Greater(t, e.ID, job.UpTo)
		}
		assert.Equal(t, map[int]int{2: 200}, seen.perEvent(), "none was picked again")
	})
}

// What a job moves for a single attempt is a dead letter again after one failure, and counts as having come back; the next job
// grants as many as ever.
// What came back often enough is quarantined: it stays, and no job moves it.
func TestRetryJobLeavesTheQuarantined(t *testing.T) {
	onEach(t, func(t *testing.T, b *asyncevents.Backend) {
		s, _ := run(t, b, hopeless, nil)
		acceptMany(t, s, "e", 5, bare)
		awaitDead(t, s, asyncevents.EventsQueue, 5)
		require.NoError(t, s.RetryJobs().SaveSettings(t.Context(), retry.Settings{BatchSize: 100, MaxRoundTrips: 2}))
		for _, moved := range []int64{5, 5, 0} {
			_, err := s.RetryJobs().Start(t.Context(), asyncevents.EventsQueue, "test", retry.Options{})
			require.NoError(t, err)
			assert.Equal(t, moved, awaitJob(t, s, retry.StateCompleted).Moved)
			for _, e := range awaitDead(t, s, asyncevents.EventsQueue, 5) {
				assert.LessOrEqual(t, e.Redrives, 2)
			}
		}
	})
}

func TestRetryJobOfSingleAttempts(t *testing.T) {
	onEach(t, func(t *testing.T, b *asyncevents.Backend) {
		var seen starts
		s, _ := run(t, b, func(_ context.Context, e asyncevents.Event) (any, error) {
			seen.add(e.ID)
			return nil, errors.New("not yet")
		}, nil)
		acceptMany(t, s, "e", 20, bare)
		awaitDead(t, s, asyncevents.EventsQueue, 20)
		batches(t, s, 100)
		for _, c := range []struct {
			single   bool
			attempts int
		}{{true, 6}, {false, 11}} {
			job, err := s.RetryJobs().Start(t.Context(), asyncevents.EventsQueue, "test", retry.Options{SingleAttempt: c.single})
			require.NoError(t, err)
			awaitJob(t, s, retry.StateCompleted)
			for _, e := range awaitDead(t, s, asyncevents.EventsQueue, 20) {
				assert.Len(t, e.Attempts, c.attempts)
			}
			latest, err := s.RetryJobs().Job(t.Context(), asyncevents.EventsQueue)
			require.NoError(t, err)
			assert.Equal(t, job.ID, latest.ID)
			assert.Equal(t, retry.Outcome{CameBack: 20}, latest.Outcome)
			back, _, err := s.DeadLetters().Count(t.Context(), asyncevents.EventsQueue, dlq.Filter{Job: job.ID})
			require.NoError(t, err)
			assert.EqualValues(t, 20, back)
		}
		assert.Equal(t, map[int]int{11: 20}, seen.perEvent())
	})
}
