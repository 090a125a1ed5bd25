package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/redrive-go/redrive/retry"
)

const (
	// A job that has not ended is never overwritten.
	insertJob = `
		INSERT INTO retry_jobs (queue, id, state, started_at, started_by, total, moved, batches, batch_moved, up_to,
		                        next_batch_at, ended_at, error)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (queue) DO UPDATE SET
			id = excluded.id, state = excluded.state, started_at = excluded.started_at, started_by = excluded.started_by,
			total = excluded.total, moved = excluded.moved, batches = excluded.batches, batch_moved = excluded.batch_moved,
			up_to = excluded.up_to, next_batch_at = excluded.next_batch_at, ended_at = excluded.ended_at,
			error = excluded.error, owner = '', lease_until = 0, lease = 0
		WHERE retry_jobs.state IN ('stopped', 'completed', 'failed')`
	selectJob = `
		SELECT id, state, started_at, started_by, total, moved, batches, batch_moved, up_to, next_batch_at, ended_at, error
		FROM retry_jobs WHERE queue = ?`
	stopJob = `
		UPDATE retry_jobs SET state = 'stopping' WHERE queue = ? AND state NOT IN ('stopped', 'completed', 'failed')`
	claimJob = `
		UPDATE retry_jobs SET owner = ?1, lease = ?2, lease_until = ?2 + ?3
		WHERE queue = ?4 AND state NOT IN ('stopped', 'completed', 'failed') AND (owner = ?1 OR lease_until <= ?3)`
	// Whoever asked for a stop must not be overruled by a save that began before.
	saveJob = `
		UPDATE retry_jobs SET
			state = CASE WHEN state = 'stopping' AND ?1 IN ('running', 'cooling_down') THEN state ELSE ?1 END,
			batch_moved = CASE WHEN ?2 > batches THEN 0 ELSE batch_moved END, batches = ?2,
			total = ?3, next_batch_at = ?4, ended_at = ?5, error = ?6, lease_until = lease + ?7
		WHERE queue = ?8 AND id = ?9 AND owner = ?10 AND lease_until > ?7`

	selectSettings = `SELECT value FROM settings WHERE id = 1`
	saveSettings   = `INSERT INTO settings (id, value) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET value = excluded.value`
)

// jobStore implements retry.Store.
type jobStore struct{ db *database }

// Start implements retry.Store.
func (s *jobStore) Start(ctx context.Context, j retry.Job) error {
	return s.change(ctx, "start", j.Queue, retry.ErrRunning, func(t *tx) (int64, error) {
		return t.exec(insertJob, j.Queue, j.ID, string(j.State), micros(j.StartedAt), j.StartedBy, j.Total, j.Moved, j.Batches,
			j.BatchMoved, j.UpTo, micros(j.NextBatchAt), micros(j.EndedAt), j.Error)
	})
}

// change runs a statement that changes a job, and returns refusal when it changed none.
func (s *jobStore) change(ctx context.Context, what, queue string, refusal error, statement func(*tx) (int64, error)) error {
	var n int64
	err := s.db.write(ctx, func(t *tx) (err error) {
		n, err = statement(t)
		return err
	})
	if err == nil && n == 0 {
		err = refusal
	}
	if err != nil {
		return fmt.Errorf("sqlite: %s the retry job of %q: %w", what, queue, err)
	}
	return nil
}

// Job implements retry.Store.
func (s *jobStore) Job(ctx context.Context, queue string) (retry.Job, error) {
	j := retry.Job{Queue: queue}
	var started, next, ended int64
	err := s.db.readers.QueryRowContext(ctx, selectJob, queue).Scan(&j.ID, &j.State, &started, &j.StartedBy, &j.Total,
		&j.Moved, &j.Batches, &j.BatchMoved, &j.UpTo, &next, &ended, &j.Error)
	if errors.Is(err, sql.ErrNoRows) {
		err = retry.ErrNoJob
	}
	if err != nil {
		return retry.Job{}, fmt.Errorf("sqlite: read the retry job of %q: %w", queue, err)
	}
	j.StartedAt, j.NextBatchAt, j.EndedAt = fromMicros(started), fromMicros(next), fromMicros(ended)
	return j, nil
}

// Stop implements retry.Store.
func (s *jobStore) Stop(ctx context.Context, queue string) (retry.Job, error) {
	err := s.change(ctx, "stop", queue, retry.ErrNoJob, func(t *tx) (int64, error) { return t.exec(stopJob, queue) })
	if err != nil {
		return retry.Job{}, err
	}
	return s.Job(ctx, queue)
}

// Claim implements retry.Store.
func (s *jobStore) Claim(ctx context.Context, queue, owner string, lease time.Duration) (retry.Job, error) {
	err := s.change(ctx, "claim", queue, retry.ErrNoJob, func(t *tx) (int64, error) {
		return t.exec(claimJob, owner, lease.Microseconds(), time.Now().UnixMicro(), queue)
	})
	if err != nil {
		return retry.Job{}, err
	}
	return s.Job(ctx, queue)
}

// Save implements retry.Store.
func (s *jobStore) Save(ctx context.Context, owner string, j retry.Job) error {
	return s.change(ctx, "save", j.Queue, retry.ErrLeaseLost, func(t *tx) (int64, error) {
		return t.exec(saveJob, string(j.State), j.Batches, j.Total, micros(j.NextBatchAt), micros(j.EndedAt), j.Error,
			time.Now().UnixMicro(), j.Queue, j.ID, owner)
	})
}

// Settings implements retry.Store.
func (s *jobStore) Settings(ctx context.Context) (retry.Settings, error) {
	settings := retry.DefaultSettings()
	var text string
	err := s.db.readers.QueryRowContext(ctx, selectSettings).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return settings, nil
	}
	if err == nil {
		err = json.Unmarshal([]byte(text), &settings)
	}
	if err != nil {
		return retry.Settings{}, fmt.Errorf("sqlite: read the settings: %w", err)
	}
	return settings, nil
}

// SaveSettings implements retry.Store.
func (s *jobStore) SaveSettings(ctx context.Context, settings retry.Settings) error {
	text, err := json.Marshal(settings)
	if err == nil {
		err = s.db.write(ctx, func(t *tx) error { _, err := t.exec(saveSettings, string(text)); return err })
	}
	if err != nil {
		return fmt.Errorf("sqlite: save the settings: %w", err)
	}
	return nil
}
