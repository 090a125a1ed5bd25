package postgres

import (
	"context"
	"encoding/json"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/internal/queue"
	"github.com/redrive-go/redrive/backends/internal/sqlstore"
)

// Both statements return what they found only where these are fewer than expected: as good as never. What has no payload has
// no message.
const (
	acceptAll = `
		WITH given AS MATERIALIZED (
			SELECT * FROM unnest(?::text[], ?::bytea[], ?::bigint[], ?::text[], ?::bytea[])
				AS u (id, hash, at, metadata, payload)
		), fresh AS (
			INSERT INTO {events} (correlation_id, body_hash, status, created_at, updated_at)
			SELECT id, hash, 'queued', at, at FROM given ON CONFLICT DO NOTHING RETURNING correlation_id
		), sent AS (
			INSERT INTO {messages} (topic, uuid, metadata, payload)
			SELECT ?, id, metadata, payload FROM given
			WHERE payload IS NOT NULL AND id IN (SELECT correlation_id FROM fresh)
		)
		SELECT CASE WHEN (SELECT count(*) FROM fresh) < ?
			THEN (SELECT coalesce(json_agg(correlation_id)::text, '[]') FROM fresh) ELSE '' END`
	finishAll = `
		WITH ended AS (
			DELETE FROM {messages} m
			USING (SELECT * FROM unnest(?::bigint[], ?::bigint[]) AS c (id, claim) ORDER BY id) c
			WHERE m.id = c.id AND m.claim = c.claim RETURNING m.id, m.claim
		), told AS (
			UPDATE {events} e SET status = u.status, response = u.response, attempts = u.attempts, updated_at = {now},
				next_attempt_at = 0
			FROM (
				SELECT u.* FROM unnest(?::bigint[], ?::bigint[], ?::text[], ?::text[], ?::bytea[], ?::bigint[])
					AS u (message, claim, id, status, response, attempts)
					JOIN ended ON ended.id = u.message AND ended.claim = u.claim
				ORDER BY u.id COLLATE "C"
			) u
			WHERE e.correlation_id = u.id
		)
		SELECT CASE WHEN (SELECT count(*) FROM ended) < ?
			THEN (SELECT coalesce(json_agg(json_build_object('ID', id, 'Owner', claim))::text, '[]') FROM ended) ELSE '' END`
)

// byteArrays is a parameter of type bytea[], which pgx would otherwise look into by reflection.
type byteArrays = pgtype.FlatArray[[]byte]

// AcceptAll implements sqlstore.Shortcuts.
func (d *dialect) AcceptAll(ctx context.Context, topic string, events []sqlstore.Acceptable) ([]bool, error) {
	n := len(events)
	ids, metadata, ats := make([]string, n), make([]string, n), make([]int64, n)
	hashes, payloads := make(byteArrays, n), make(byteArrays, n)
	for i := range events {
		e := &events[i]
		ids[i], hashes[i], ats[i], metadata[i], payloads[i] = e.CorrelationID, e.BodyHash, e.AcceptedAt, e.Metadata, e.Payload
	}
	return shortcut(ctx, d.db, ids, acceptAll, ids, hashes, ats, metadata, payloads, topic, n)
}

// FinishAll implements sqlstore.Shortcuts.
func (d *dialect) FinishAll(
	ctx context.Context, claims []queue.Settlement, outcomes []*asyncevents.Settlement,
) ([]bool, error) {
	n := len(claims)
	messages, owners, attempts, held := make([]int64, n), make([]int64, n), make([]int64, n), make([]queue.Held, n)
	ids, statuses, responses := make([]string, n), make([]string, n), make(byteArrays, n)
	for i, o := range outcomes {
		messages[i], owners[i], attempts[i] = claims[i].ID, claims[i].Owner, int64(o.Attempts)
		ids[i], statuses[i], responses[i] = o.CorrelationID, string(o.Status), o.Response
		held[i] = queue.Held{ID: claims[i].ID, Owner: claims[i].Owner}
	}
	stood, err := shortcut(ctx, d.db, held, finishAll,
		messages, owners, messages, owners, ids, statuses, responses, attempts, n)
	if err == nil {
		d.claims.settled(claims)
	}
	return stood, err
}

// shortcut runs a statement, and returns for which of the keys it found something.
func shortcut[K comparable](
	ctx context.Context, db *sqlstore.Server, keys []K, statement string, args ...any,
) (found []bool, err error) {
	var text string
	err = db.Alone(ctx, func(t sqlstore.Tx) error { return sqlstore.One(t, []any{&text}, statement, args...) })
	if err != nil {
		return nil, err
	}
	return among(keys, text)
}

// among says which keys stand in a JSON list; all of them where there is none.
func among[K comparable](keys []K, text string) ([]bool, error) {
	found := make([]bool, len(keys))
	if text == "" {
		for i := range found {
			found[i] = true
		}
		return found, nil
	}
	var list []K
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return nil, err
	}
	set := make(map[K]struct{}, len(list))
	for _, key := range list {
		set[key] = struct{}{}
	}
	for i, key := range keys {
		_, found[i] = set[key]
	}
	return found, nil
}
