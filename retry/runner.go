package retry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
)

// Defaults of RunnerConfig.
const (
	DefaultLease        = 15 * time.Second
	DefaultPollInterval = time.Second
)

// defaultJobs is how many jobs Jobs returns that are asked for no number.
const defaultJobs = 50

// RunnerConfig configures a Runner. Nil and zero values mean the documented defaults.
type RunnerConfig struct {
	// Lease is how long a job stays with a Runner that does not renew its hold. After this time without a sign
	// of life another one takes the job over. At least twice PollInterval. Defaults to 15 s.
	Lease time.Duration
	// PollInterval is how often the store is asked for what other processes did, and how often a job that cools
	// down renews its lease. Defaults to 1 s.
	PollInterval time.Duration
	// Logger is told of jobs that begin, end and meet errors. Defaults to slog.Default().
	Logger *slog.Logger
}

func (c *RunnerConfig) withDefaults() RunnerConfig {
	var out RunnerConfig
	if c != nil {
		out = *c
	}
	if out.Lease == 0 {
		out.Lease = DefaultLease
	}
	if out.PollInterval == 0 {
		out.PollInterval = min(DefaultPollInterval, out.Lease/2)
	}
	if out.Logger == nil {
		out.Logger = slog.Default()
	}
	return out
}

// Validate returns every fault of the configuration with its defaults applied, joined, each naming its field and limit.
func (c *RunnerConfig) Validate() error {
	out := c.withDefaults()
	var faults []error
	if out.PollInterval <= 0 {
		faults = append(faults, fmt.Errorf("PollInterval must be positive, not %s", out.PollInterval))
	}
	if out.Lease < 2*out.PollInterval {
		faults = append(faults, fmt.Errorf("Lease must be at least twice PollInterval (%s), not %s", out.PollInterval, out.Lease))
	}
	return errors.Join(faults...)
}

// Runner starts, runs and stops retry jobs, at most one for each DLQ, however many Runners in however many processes
// share the store. Its methods may be called from any goroutine; Start, Stop and the settings work also while Run does
// not, and then take effect where it does.
type Runner struct {
	store  Store
	mover  Mover
	config RunnerConfig
	wakes  map[string]chan struct{}
}

// NewRunner returns a Runner for the DLQs named by queues. Nothing moves until Run is called.
func NewRunner(store Store, mover Mover, queues []string, cfg *RunnerConfig) (*Runner, error) {
	faults := []error{cfg.Validate()}
	if store == nil {
		faults = append(faults, errors.New("store must not be nil"))
	}
	if mover == nil {
		faults = append(faults, errors.New("mover must not be nil"))
	}
	if len(queues) == 0 || slices.Contains(queues, "") {
		faults = append(faults, errors.New("queues must be at least one name, none of them empty"))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("retry: new runner: %w", err)
	}
	r := &Runner{store: store, mover: mover, config: cfg.withDefaults(), wakes: map[string]chan struct{}{}}
	for _, queue := range queues {
		r.wakes[queue] = make(chan struct{}, 1)
	}
	return r, nil
}

// Run runs the jobs that nobody else runs, until ctx ends; then it returns nil. A step under way may end first. The
// jobs stay as they are and go on in another Runner of the store, or the next.
func (r *Runner) Run(ctx context.Context) error {
	owner := uuid.NewString()
	var group sync.WaitGroup
	for queue, wake := range r.wakes {
		w := &worker{Runner: r, queue: queue, owner: owner, wake: wake}
		group.Go(func() { w.run(ctx) })
	}
	group.Wait()
	return nil
}

// Start begins to move what the options mean of that which stands in the DLQ now, on behalf of by. It returns ErrRunning while an
// earlier job of the queue has not ended. Where nothing is meant the job is completed at once.
func (r *Runner) Start(ctx context.Context, queue, by string, options Options) (Job, error) {
	if err := r.known(queue); err != nil {
		return Job{}, fmt.Errorf("retry: start job: %w", err)
	}
	if err := options.Validate(); err != nil {
		return Job{}, fmt.Errorf("retry: start job of %s: %w: %w", queue, ErrBadOptions, err)
	}
	var err error
	if options.Criteria, err = r.Movable(ctx, options.Criteria); err != nil {
		return Job{}, fmt.Errorf("retry: start job of %s: %w", queue, err)
	}
	total, upTo, err := r.mover.Bound(ctx, queue, options.Criteria)
	if err != nil {
		return Job{}, fmt.Errorf("retry: start job of %s: %w", queue, err)
	}
	id, err := uuid.NewV7()
	if err != nil {
		return Job{}, fmt.Errorf("retry: start job of %s: %w", queue, err)
	}
	job := Job{
		ID: id.String(), Queue: queue, State: StateRunning,
		StartedAt: time.Now().UTC(), StartedBy: by, Total: total, UpTo: upTo, Options: options,
	}
	if total == 0 {
		job.State, job.EndedAt = StateCompleted, job.StartedAt
	}
	if err := r.store.Start(ctx, job); err != nil {
		return Job{}, fmt.Errorf("retry: start job of %s: %w", queue, err)
	}
	r.config.Logger.InfoContext(ctx, "retry job started", "queue", queue, "job", job.ID, "by", by, "total", total)
	r.wake(queue)
	return job, nil
}

// Movable returns the criteria of what a job that starts now would move: of what criteria mean, all that is not quarantined by
// Settings.MaxRoundTrips.
func (r *Runner) Movable(ctx context.Context, criteria string) (string, error) {
	settings, err := r.Settings(ctx)
	if err != nil || settings.MaxRoundTrips == 0 {
		return criteria, err
	}
	return r.mover.Below(criteria, settings.MaxRoundTrips)
}

// Stop asks the queue's job to stop and returns it. It stops after the step under way; what was moved stays moved, the
// rest stays in the DLQ. It returns ErrNoJob when none runs.
func (r *Runner) Stop(ctx context.Context, queue string) (Job, error) {
	return r.ask(ctx, "stop", queue, r.store.Stop)
}

// Pause has the queue's job move nothing after the step under way, until it is resumed, and returns it. It returns ErrNoJob when
// none runs.
func (r *Runner) Pause(ctx context.Context, queue string) (Job, error) {
	return r.ask(ctx, "pause", queue, r.store.Pause)
}

// Resume has a paused job go on, and returns it. It returns ErrNotPaused for any other one, and ErrNoJob
// when there never was one.
func (r *Runner) Resume(ctx context.Context, queue string) (Job, error) {
	return r.ask(ctx, "resume", queue, r.store.Resume)
}

// ask asks the store for another state of the queue's job.
func (r *Runner) ask(ctx context.Context, what, queue string, change func(context.Context, string) (Job, error)) (Job, error) {
	if err := r.known(queue); err != nil {
		return Job{}, fmt.Errorf("retry: %s job: %w", what, err)
	}
	job, err := change(ctx, queue)
	if err != nil {
		return Job{}, fmt.Errorf("retry: %s job of %s: %w", what, queue, err)
	}
	r.config.Logger.InfoContext(ctx, "retry job asked to "+what, "queue", queue, "job", job.ID)
	r.wake(queue)
	return job, nil
}

// Jobs returns the queue's jobs, the latest first, at most limit of them, up to 1,000; those that were started before the one named
// before, when that is not empty. A limit of 0 or less means 50.
func (r *Runner) Jobs(ctx context.Context, queue, before string, limit int) ([]Job, error) {
	if err := r.known(queue); err != nil {
		return nil, fmt.Errorf("retry: jobs: %w", err)
	}
	if limit <= 0 {
		limit = defaultJobs
	}
	jobs, err := r.store.Jobs(ctx, queue, before, min(limit, MaxJobs))
	if err != nil {
		return nil, fmt.Errorf("retry: jobs of %s: %w", queue, err)
	}
	return jobs, nil
}

// Job returns the queue's running or last job, or ErrNoJob when there never was one.
func (r *Runner) Job(ctx context.Context, queue string) (Job, error) {
	if err := r.known(queue); err != nil {
		return Job{}, fmt.Errorf("retry: job: %w", err)
	}
	job, err := r.store.Job(ctx, queue)
	if err != nil {
		return Job{}, fmt.Errorf("retry: job of %s: %w", queue, err)
	}
	return job, nil
}

// Settings returns the settings that all jobs follow.
func (r *Runner) Settings(ctx context.Context) (Settings, error) {
	settings, err := r.store.Settings(ctx)
	if err != nil {
		return Settings{}, fmt.Errorf("retry: settings: %w", err)
	}
	return settings, nil
}

// SaveSettings validates and stores the settings. A running job takes the batch size at its next batch, and a job that
// cools down the new cooldown at once, counted from the end of its last batch.
func (r *Runner) SaveSettings(ctx context.Context, settings Settings) error {
	if err := settings.Validate(); err != nil {
		return fmt.Errorf("retry: save settings: %w", err)
	}
	if err := r.store.SaveSettings(ctx, settings); err != nil {
		return fmt.Errorf("retry: save settings: %w", err)
	}
	for queue := range r.wakes {
		r.wake(queue)
	}
	return nil
}

func (r *Runner) known(queue string) error {
	if _, ok := r.wakes[queue]; !ok {
		return fmt.Errorf("unknown queue %q", queue)
	}
	return nil
}

func (r *Runner) wake(queue string) {
	select {
	case r.wakes[queue] <- struct{}{}:
	default:
	}
}
