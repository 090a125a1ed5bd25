package sqlstore

import (
	"context"
	"fmt"
	"time"

	"github.com/redrive-go/redrive/asyncevents"
)

const (
	addTraffic = `
		UPDATE {traffic} SET depth = ?, accepted = accepted + ?, done = done + ?, again = again + ?, dead = dead + ?
		WHERE dlq = ? AND at = ?`
	dropTraffic   = `DELETE FROM {traffic} WHERE dlq = ? AND at < ?`
	selectTraffic = `
		SELECT at, depth, accepted, done, again, dead FROM {traffic} WHERE dlq = ? AND at >= ? ORDER BY at`
)

var trafficColumns = []string{"dlq", "at", "depth", "accepted", "done", "again", "dead"}

// Traffic implements asyncevents.TrafficLog.
type Traffic struct {
	db      Database
	dialect Dialect
}

// NewTraffic returns the log of the traffic.
func NewTraffic(db Database, dialect Dialect) *Traffic { return &Traffic{db, dialect} }

// Note implements asyncevents.TrafficLog.
func (l *Traffic) Note(ctx context.Context, queue string, noted asyncevents.Traffic) error {
	err := l.db.Write(ctx, func(t Tx) error { return l.note(t, queue, noted) })
	if err != nil {
		return fmt.Errorf("%s: note the traffic of %q: %w", l.dialect.Name(), queue, err)
	}
	return nil
}

// note holds the DLQ, so that replicas add to a minute one after the other, and no entry comes or goes meanwhile.
func (l *Traffic) note(t Tx, queue string, noted asyncevents.Traffic) error {
	d, err := hold(t, queue)
	if err != nil {
		return err
	}
	present, err := look(t, queue)
	if err != nil {
		return err
	}
	minute := d.now - d.now%time.Minute.Microseconds()
	added, err := l.dialect.Insert(t, "traffic", trafficColumns,
		[]any{d.id, minute, present.entries, noted.Accepted, noted.Done, noted.Again, noted.Dead})
	if err != nil {
		return err
	}
	if added == 0 {
		_, err = t.Exec(addTraffic, present.entries, noted.Accepted, noted.Done, noted.Again, noted.Dead, d.id, minute)
		return err
	}
	_, err = t.Exec(dropTraffic, d.id, minute-asyncevents.TrafficKept.Microseconds())
	return err
}

// Since implements asyncevents.TrafficLog.
func (l *Traffic) Since(ctx context.Context, queue string, from time.Time) (list []asyncevents.Traffic, err error) {
	err = l.db.View(ctx, func(t Tx) error {
		list = nil
		d, err := look(t, queue)
		if err != nil {
			return err
		}
		return t.Query(func(row Scanner) error {
			var m asyncevents.Traffic
			var at int64
			err := row.Scan(&at, &m.Depth, &m.Accepted, &m.Done, &m.Again, &m.Dead)
			m.At = FromMicros(at)
			list = append(list, m)
			return err
		}, selectTraffic, d.id, Micros(from))
	})
	if err != nil {
		return nil, fmt.Errorf("%s: read the traffic of %q: %w", l.dialect.Name(), queue, err)
	}
	return list, nil
}
