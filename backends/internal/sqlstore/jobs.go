package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/redrive-go/redrive/retry"
)

const (
	jobColumns = `state, started_at, started_by, total, moved, batches, batch_moved, up_to, next_batch_at, ended_at, error`
	selectJob  = `SELECT id, ` + jobColumns + `, owner, lease, lease_until, {now} FROM {retry_jobs} WHERE queue = ?`
	lockJob    = selectJob + ` {lock}`
	insertJob  = `
		INSERT INTO {retry_jobs} (id, ` + jobColumns + `, owner, lease, lease_until, queue)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	updateJob = `
		UPDATE {retry_jobs} SET id = ?, state = ?, started_at = ?, started_by = ?, total = ?, moved = ?, batches = ?,
			batch_moved = ?, up_to = ?, next_batch_at = ?, ended_at = ?, error = ?, owner = ?, lease = ?, lease_until = ?
		WHERE queue = ?`
)

// Jobs implements retry.Store.
type Jobs struct {
	db      Database
	dialect Dialect
}

// NewJobs returns the store of retry jobs and settings.
func NewJobs(db Database, dialect Dialect) *Jobs { return &Jobs{db, dialect} }

// jobRow is a job with its lease.
type jobRow struct {
	retry.Job
	owner      string
	lease      int64
	leaseUntil int64
	now        int64
}

func readJob(t Tx, query, queue string) (j jobRow, err error) {
	j.Queue = queue
	var state string
	var started, next, ended int64
	err = One(t, []any{
		&j.ID, &state, &started, &j.StartedBy, &j.Total, &j.Moved, &j.Batches, &j.BatchMoved, &j.UpTo, &next, &ended, &j.Error,
		&j.owner, &j.lease, &j.leaseUntil, &j.now,
	}, query, queue)
	if errors.Is(err, sql.ErrNoRows) {
		err = retry.ErrNoJob
	}
	j.State = retry.State(state)
	j.StartedAt, j.NextBatchAt, j.EndedAt = FromMicros(started), FromMicros(next), FromMicros(ended)
	return j, err
}

func (j *jobRow) write(t Tx, statement string) error {
	_, err := t.Exec(statement, j.ID, string(j.State), Micros(j.StartedAt), text(j.StartedBy), j.Total, j.Moved, j.Batches,
		j.BatchMoved, j.UpTo, Micros(j.NextBatchAt), Micros(j.EndedAt), text(j.Error), j.owner, j.lease, j.leaseUntil, j.Queue)
	return err
}

// failure wraps err with what was done to the job of which DLQ.
func (s *Jobs) failure(what, queue string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %s the retry job of %q: %w", s.dialect.Name(), what, queue, err)
}

// Start implements retry.Store.
func (s *Jobs) Start(ctx context.Context, job retry.Job) error {
	err := s.start(ctx, job)
	if errors.Is(err, ErrDuplicate) { // somebody else started the first job of this DLQ at the same moment
		err = s.start(ctx, job)
	}
	return s.failure("start", job.Queue, err)
}

func (s *Jobs) start(ctx context.Context, job retry.Job) error {
	return s.db.Write(ctx, func(t Tx) error {
		last, err := readJob(t, lockJob, job.Queue)
		next := &jobRow{Job: job}
		switch {
		case errors.Is(err, retry.ErrNoJob):
			return next.write(t, insertJob)
		case err != nil:
			return err
		case !last.State.Ended():
			return retry.ErrRunning
		}
		return next.write(t, updateJob)
	})
}

// change loads the job of a DLQ, lets decide change it or refuse, and stores it.
func (s *Jobs) change(ctx context.Context, what, queue string, decide func(*jobRow) error) (job retry.Job, err error) {
	err = s.db.Write(ctx, func(t Tx) error {
		row, err := readJob(t, lockJob, queue)
		if err != nil {
			return err
		}
		if err := decide(&row); err != nil {
			return err
		}
		job = row.Job
		return row.write(t, updateJob)
	})
	if err != nil {
		return retry.Job{}, s.failure(what, queue, err)
	}
	return job, nil
}

// Job implements retry.Store.
func (s *Jobs) Job(ctx context.Context, queue string) (job retry.Job, err error) {
	err = s.db.Read(ctx, func(t Tx) error {
		row, err := readJob(t, selectJob, queue)
		job = row.Job
		return err
	})
	if err != nil {
		return retry.Job{}, s.failure("read", queue, err)
	}
	return job, nil
}

// Stop implements retry.Store.
func (s *Jobs) Stop(ctx context.Context, queue string) (retry.Job, error) {
	return s.change(ctx, "stop", queue, func(j *jobRow) error {
		if j.State.Ended() {
			return retry.ErrNoJob
		}
		j.State = retry.StateStopping
		return nil
	})
}

// Claim implements retry.Store.
func (s *Jobs) Claim(ctx context.Context, queue, owner string, lease time.Duration) (retry.Job, error) {
	return s.change(ctx, "claim", queue, func(j *jobRow) error {
		if j.State.Ended() || j.owner != owner && j.leaseUntil > j.now {
			return retry.ErrNoJob
		}
		j.owner, j.lease, j.leaseUntil = owner, lease.Microseconds(), j.now+lease.Microseconds()
		return nil
	})
}

// Save implements retry.Store.
func (s *Jobs) Save(ctx context.Context, owner string, job retry.Job) error {
	_, err := s.change(ctx, "save", job.Queue, func(j *jobRow) error {
		if j.ID != job.ID || j.owner != owner || j.leaseUntil <= j.now {
			return retry.ErrLeaseLost
		}
		// Whoever asked for a stop must not be overruled by a save that began before.
		if j.State != retry.StateStopping || job.State != retry.StateRunning && job.State != retry.StateCoolingDown {
			j.State = job.State
		}
		if job.Batches > j.Batches {
			j.BatchMoved = 0
		}
		j.Batches, j.Total, j.Error = job.Batches, job.Total, job.Error
		j.NextBatchAt, j.EndedAt = job.NextBatchAt, job.EndedAt
		j.leaseUntil = j.now + j.lease
		return nil
	})
	if errors.Is(err, retry.ErrNoJob) {
		return s.failure("save", job.Queue, retry.ErrLeaseLost)
	}
	return err
}
