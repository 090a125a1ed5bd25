package retry_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/redrive-go/redrive/retry"
)

// errAway is what a fake answers while it is told to.
var errAway = errors.New("store is away")

// mostAtOnce is how many entries a fake moves in a step, where it is asked for more.
const mostAtOnce = 250

// fake is a Store and a Mover in memory, that both count a move in one step, as a database does.
type fake struct {
	mu       sync.Mutex
	settings retry.Settings
	jobs     map[string]*heldJob
	entries  map[string][]int64
	moves    []move
	nextID   int64
	away     bool
	// onMove is called, without the lock, before each move.
	onMove func(b retry.Batch)
}

type heldJob struct {
	retry.Job
	owner string
	lease time.Duration
	until time.Time
}

type move struct {
	at  time.Time
	ids []int64
}

func newFake(settings retry.Settings, entries int) *fake {
	f := &fake{settings: settings, jobs: map[string]*heldJob{}, entries: map[string][]int64{}}
	f.add("events", entries)
	return f
}

func (f *fake) add(queue string, n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for range n {
		f.nextID++
		f.entries[queue] = append(f.entries[queue], f.nextID)
	}
}

func (f *fake) setAway(away bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.away = away
}

// movedIDs is everything moved, in order.
func (f *fake) movedIDs() []int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	var ids []int64
	for _, m := range f.moves {
		ids = append(ids, m.ids...)
	}
	return ids
}

// moveTimes is when each step moved something, and how much.
func (f *fake) moveTimes(since time.Time) (times []time.Duration, sizes []int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.moves {
		times = append(times, m.at.Sub(since))
		sizes = append(sizes, len(m.ids))
	}
	return times, sizes
}

func (f *fake) lock(ctx context.Context) (unlock func(), err error) {
	f.mu.Lock()
	if err = ctx.Err(); err == nil && f.away {
		err = errAway
	}
	if err != nil {
		f.mu.Unlock()
		return nil, err
	}
	return f.mu.Unlock, nil
}

func (f *fake) Start(ctx context.Context, job retry.Job) error {
	unlock, err := f.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if held, ok := f.jobs[job.Queue]; ok && !held.State.Ended() {
		return retry.ErrRunning
	}
	f.jobs[job.Queue] = &heldJob{Job: job}
	return nil
}

func (f *fake) Job(ctx context.Context, queue string) (retry.Job, error) {
	unlock, err := f.lock(ctx)
	if err != nil {
		return retry.Job{}, err
	}
	defer unlock()
	if held, ok := f.jobs[queue]; ok {
		return held.Job, nil
	}
	return retry.Job{}, retry.ErrNoJob
}

func (f *fake) Jobs(context.Context, string, string, int) ([]retry.Job, error) { return nil, errAway }

func (f *fake) Stop(ctx context.Context, queue string) (retry.Job, error) {
	return f.turn(ctx, queue, (*retry.Job).Stop)
}

func (f *fake) Pause(ctx context.Context, queue string) (retry.Job, error) {
	return f.turn(ctx, queue, (*retry.Job).Pause)
}

func (f *fake) Resume(ctx context.Context, queue string) (retry.Job, error) {
	return f.turn(ctx, queue, (*retry.Job).Resume)
}

func (f *fake) turn(ctx context.Context, queue string, decide func(*retry.Job) error) (retry.Job, error) {
	unlock, err := f.lock(ctx)
	if err != nil {
		return retry.Job{}, err
	}
	defer unlock()
	held, ok := f.jobs[queue]
	if !ok {
		return retry.Job{}, retry.ErrNoJob
	}
	if err := decide(&held.Job); err != nil {
		return retry.Job{}, err
	}
	return held.Job, nil
}

func (f *fake) Claim(ctx context.Context, queue, owner string, lease time.Duration) (retry.Job, error) {
	unlock, err := f.lock(ctx)
	if err != nil {
		return retry.Job{}, err
	}
	defer unlock()
	held, ok := f.jobs[queue]
	if !ok || held.State.Ended() || held.State == retry.StatePaused || (held.owner != owner && held.until.After(time.Now())) {
		return retry.Job{}, retry.ErrNoJob
	}
	held.owner, held.lease, held.until = owner, lease, time.Now().Add(lease)
	return held.Job, nil
}

func (f *fake) Save(ctx context.Context, owner string, job retry.Job) error {
	unlock, err := f.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	held := f.jobs[job.Queue]
	if held == nil || held.ID != job.ID || held.owner != owner || held.State.Ended() {
		return retry.ErrLeaseLost
	}
	held.Job, held.until = job.SavedOver(held.Job), time.Now().Add(held.lease)
	return nil
}

// settle counts what became of moved entries.
func (f *fake) settle(queue string, o retry.Outcome) {
	f.mu.Lock()
	defer f.mu.Unlock()
	held := f.jobs[queue]
	held.Outcome.Processed += o.Processed
	held.Outcome.Refused += o.Refused
	held.Outcome.CameBack += o.CameBack
}

func (f *fake) Settings(ctx context.Context) (retry.Settings, error) {
	unlock, err := f.lock(ctx)
	if err != nil {
		return retry.Settings{}, err
	}
	defer unlock()
	return f.settings, nil
}

func (f *fake) SaveSettings(ctx context.Context, settings retry.Settings) error {
	unlock, err := f.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	f.settings = settings
	return nil
}

// Below implements Mover: the fake's criteria are for people.
func (f *fake) Below(criteria string, redrives int) (string, error) {
	return fmt.Sprintf("%s below %d", criteria, redrives), nil
}

func (f *fake) Bound(ctx context.Context, queue, _ string) (total, upTo int64, err error) {
	unlock, err := f.lock(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer unlock()
	ids := f.entries[queue]
	if len(ids) > 0 {
		upTo = ids[len(ids)-1]
	}
	return int64(len(ids)), upTo, nil
}

func (f *fake) Move(ctx context.Context, b retry.Batch) (retry.Moved, error) {
	if f.onMove != nil {
		f.onMove(b)
	}
	unlock, err := f.lock(ctx)
	if err != nil {
		return retry.Moved{}, err
	}
	defer unlock()
	n := 0
	for n < min(b.Limit, mostAtOnce, len(f.entries[b.Queue])) && f.entries[b.Queue][n] <= b.UpTo {
		n++
	}
	if n == 0 {
		return retry.Moved{Done: true}, nil
	}
	f.moves = append(f.moves, move{at: time.Now(), ids: slices.Clone(f.entries[b.Queue][:n])})
	f.entries[b.Queue] = f.entries[b.Queue][n:]
	held := f.jobs[b.Queue]
	held.Moved += int64(n)
	held.BatchMoved += int64(n)
	return retry.Moved{Count: int64(n)}, nil
}
