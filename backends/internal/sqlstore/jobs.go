package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/redrive-go/redrive/retry"
)

const (
	jobColumns = `id, options, after_id, state, started_at, started_by, total, moved, batches, batch_moved, processed, refused, came_back,
		up_to, next_batch_at, ended_at, error, owner, lease, lease_until`
	selectJobs      = `SELECT seq, ` + jobColumns + `, {now} FROM {retry_jobs} WHERE queue = ?`
	selectJob       = selectJobs + ` ORDER BY seq DESC LIMIT 1`
	lockJob         = selectJob + ` {lock}`
	selectLatest    = selectJobs + ` ORDER BY seq DESC LIMIT ?`
	selectJobsUntil = selectJobs + ` AND seq < (SELECT seq FROM {retry_jobs} WHERE queue = ? AND id = ?) ORDER BY seq DESC LIMIT ?`
	insertJob       = `
		INSERT INTO {retry_jobs} (` + jobColumns + `, queue)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	updateJob = `
		UPDATE {retry_jobs} SET after_id = ?, state = ?, total = ?, batches = ?, batch_moved = ?, next_batch_at = ?, ended_at = ?,
			error = ?, owner = ?, lease = ?, lease_until = ?
		WHERE seq = ?`
	selectOldJob  = `SELECT seq FROM {retry_jobs} WHERE queue = ? ORDER BY seq DESC LIMIT 1 OFFSET ?`
	deleteOldJobs = `DELETE FROM {retry_jobs} WHERE queue = ? AND seq <= ?`
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
	seq        int64
	owner      string
	lease      int64
	leaseUntil int64
	now        int64
}

// readJob returns the latest job of a DLQ.
func readJob(t Tx, query, queue string) (j jobRow, err error) {
	err = retry.ErrNoJob
	read := t.Query(func(row Scanner) error {
		j, err = scanJob(row, queue)
		return err
	}, query, queue)
	return j, cmp.Or(read, err)
}

func scanJob(row Scanner, queue string) (j jobRow, err error) {
	j.Queue = queue
	var state, options string
	var started, next, ended int64
	err = row.Scan(
		&j.seq, &j.ID, &options, &j.After, &state, &started, &j.StartedBy, &j.Total, &j.Moved, &j.Batches, &j.BatchMoved,
		&j.Outcome.Processed, &j.Outcome.Refused, &j.Outcome.CameBack, &j.UpTo, &next, &ended, &j.Error,
		&j.owner, &j.lease, &j.leaseUntil, &j.now,
	)
	if err != nil {
		return j, err
	}
	j.State = retry.State(state)
	j.StartedAt, j.NextBatchAt, j.EndedAt = FromMicros(started), FromMicros(next), FromMicros(ended)
	return j, json.Unmarshal([]byte(options), &j.Options)
}

func insert(t Tx, j *retry.Job) error {
	options, err := json.Marshal(j.Options)
	if err != nil {
		return err
	}
	_, err = t.Exec(insertJob, j.ID, string(options), j.After, string(j.State), Micros(j.StartedAt), text(j.StartedBy), j.Total,
		j.Moved, j.Batches, j.BatchMoved, j.Outcome.Processed, j.Outcome.Refused, j.Outcome.CameBack, j.UpTo,
		Micros(j.NextBatchAt), Micros(j.EndedAt), text(j.Error), "", int64(0), int64(0), j.Queue)
	return err
}

// update leaves alone what moves count.
func (j *jobRow) update(t Tx) error {
	_, err := t.Exec(updateJob, j.After, string(j.State), j.Total, j.Batches, j.BatchMoved, Micros(j.NextBatchAt), Micros(j.EndedAt),
		text(j.Error), j.owner, j.lease, j.leaseUntil, j.seq)
	return err
}

// failure wraps err with what was done to the job of which DLQ.
func (s *Jobs) failure(what, queue string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %s the retry job of %q: %w", s.dialect.Name(), what, queue, err)
}

// Start implements retry.Store. Whoever starts one holds the row of the DLQ, so that one of two finds the other's.
func (s *Jobs) Start(ctx context.Context, job retry.Job) error {
	return s.failure("start", job.Queue, s.db.Write(ctx, func(t Tx) error {
		if _, err := hold(t, job.Queue); err != nil {
			return err
		}
		last, err := readJob(t, lockJob, job.Queue)
		switch {
		case errors.Is(err, retry.ErrNoJob):
		case err != nil:
			return err
		case !last.State.Ended():
			return retry.ErrRunning
		}
		if err := insert(t, &job); err != nil {
			return err
		}
		return forgetJobs(t, job.Queue)
	}))
}

// forgetJobs deletes the oldest jobs of a DLQ beyond those that are kept.
func forgetJobs(t Tx, queue string) error {
	var last int64
	err := One(t, []any{&last}, selectOldJob, queue, retry.MaxJobs)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err == nil {
		_, err = t.Exec(deleteOldJobs, queue, last)
	}
	return err
}

// change loads the job of a DLQ, lets decide change it or refuse, and stores it.
func (s *Jobs) change(ctx context.Context, what, queue string, decide func(*jobRow) error) (retry.Job, error) {
	return s.changeAfter(ctx, what, queue, func(Tx) error { return nil }, decide)
}

// changeAfter is change in a transaction that prepare has seen first.
func (s *Jobs) changeAfter(
	ctx context.Context, what, queue string, prepare func(Tx) error, decide func(*jobRow) error,
) (job retry.Job, err error) {
	err = s.db.Write(ctx, func(t Tx) error {
		if err := prepare(t); err != nil {
			return err
		}
		row, err := readJob(t, lockJob, queue)
		if err != nil {
			return err
		}
		if err := decide(&row); err != nil {
			return err
		}
		job = row.Job
		return row.update(t)
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

// Jobs implements retry.Store.
func (s *Jobs) Jobs(ctx context.Context, queue, before string, limit int) (jobs []retry.Job, err error) {
	query, args := selectLatest, []any{queue, limit}
	if before != "" {
		query, args = selectJobsUntil, []any{queue, queue, before, limit}
	}
	err = s.db.Read(ctx, func(t Tx) error {
		jobs = nil
		return t.Query(func(row Scanner) error {
			j, err := scanJob(row, queue)
			jobs = append(jobs, j.Job)
			return err
		}, query, args...)
	})
	return jobs, s.failure("list", queue, err)
}

// Stop implements retry.Store.
func (s *Jobs) Stop(ctx context.Context, queue string) (retry.Job, error) {
	return s.change(ctx, "stop", queue, (*jobRow).Stop)
}

// Pause implements retry.Store.
func (s *Jobs) Pause(ctx context.Context, queue string) (retry.Job, error) {
	return s.change(ctx, "pause", queue, (*jobRow).Pause)
}

// Resume implements retry.Store.
func (s *Jobs) Resume(ctx context.Context, queue string) (retry.Job, error) {
	return s.change(ctx, "resume", queue, (*jobRow).Resume)
}

// Claim implements retry.Store.
func (s *Jobs) Claim(ctx context.Context, queue, owner string, lease time.Duration) (retry.Job, error) {
	return s.changeAfter(ctx, "claim", queue, func(t Tx) error { return relax(s.dialect, t) }, func(j *jobRow) error {
		if j.State.Ended() || j.State == retry.StatePaused || j.owner != owner && j.leaseUntil > j.now {
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
		j.Job = job.SavedOver(j.Job)
		j.leaseUntil = j.now + j.lease
		return nil
	})
	if errors.Is(err, retry.ErrNoJob) {
		return s.failure("save", job.Queue, retry.ErrLeaseLost)
	}
	return err
}
