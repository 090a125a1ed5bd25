package postgres

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/backends/internal/queue"
	"github.com/redrive-go/redrive/backends/internal/sqlstore"
	"github.com/redrive-go/redrive/backends/internal/sqlstore/sqlstoretest"
	"github.com/redrive-go/redrive/internal/testserver"
)

// newTestDialect returns a dialect on an empty schema.
func newTestDialect(t *testing.T) *dialect {
	t.Helper()
	dsn, schema := testserver.PostgresSchema(t)
	return openTestDialect(t, dsn, schema)
}

// openTestDialect returns a dialect on a schema, or on the database's own where it has no name.
func openTestDialect(t *testing.T, dsn, schema string) *dialect {
	t.Helper()
	p, err := pgxpool.New(t.Context(), dsn)
	require.NoError(t, err)
	n, err := (&Config{Schema: schema}).names()
	require.NoError(t, err)
	from := &pool{Pool: p, own: true}
	words := newWords(n)
	from.speak(words)
	db := sqlstore.NewServer(name, from)
	require.NoError(t, db.Prepare(t.Context(), newMigrator(db, n, false), nil))
	t.Cleanup(func() { assert.NoError(t, db.Close()) })
	return newDialect(db, from, words)
}

// fillDelayed publishes n messages that are not due, and a few that are new.
func fillDelayed(t *testing.T, d *dialect, n int) {
	t.Helper()
	messages := make([]sqlstore.Outgoing, n+100)
	for i := range messages {
		messages[i] = sqlstore.Outgoing{Topic: "t", UUID: fmt.Sprint(i), Metadata: "{}", Payload: []byte("{}"), Wait: time.Hour}
		if i < 100 {
			messages[i].Wait = 0
		}
	}
	require.NoError(t, d.db.Write(t.Context(), func(tx sqlstore.Tx) error { return d.Publish(tx, messages) }))
}

// plan is a step of a plan with those below it.
type plan struct {
	Node     string  `json:"Node Type"`
	Relation string  `json:"Relation Name"`
	Index    string  `json:"Index Name"`
	Filtered float64 `json:"Rows Removed by Filter"`
	Blocks   float64 `json:"Shared Hit Blocks"`
	Plans    []plan
}

// scans returns the steps that read tables.
func (p plan) scans() (scans []plan) {
	if p.Relation != "" && p.Node != "ModifyTable" {
		scans = append(scans, p)
	}
	for _, below := range p.Plans {
		scans = append(scans, below.scans()...)
	}
	return scans
}

// explained returns the plan of a statement, planned that of one that runs inOrder.
func explained(t *testing.T, d *dialect, query string, args ...any) plan {
	t.Helper()
	var text []byte
	require.NoError(t, d.db.Read(t.Context(), func(tx sqlstore.Tx) error {
		return sqlstore.One(tx, []any{&text}, "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) "+query, args...)
	}))
	return parsePlan(t, text)
}

func planned(t *testing.T, d *dialect, query string, args ...any) plan {
	t.Helper()
	var text []byte
	conn, release, err := d.from.connection(t.Context())
	require.NoError(t, err)
	defer release()
	require.NoError(t, inOrder(t.Context(), conn, func(row sqlstore.Scanner) error { return row.Scan(&text) },
		d.words.Of("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) "+query), args...))
	return parsePlan(t, text)
}

func parsePlan(t *testing.T, text []byte) plan {
	t.Helper()
	var plans []struct{ Plan plan }
	require.NoError(t, json.Unmarshal(text, &plans))
	require.Len(t, plans, 1)
	return plans[0].Plan
}

// nodes returns the kinds of steps in a plan.
func (p plan) nodes() (nodes []string) {
	nodes = append(nodes, p.Node)
	for _, below := range p.Plans {
		nodes = append(nodes, below.nodes()...)
	}
	return nodes
}

// indexes returns those that a plan reads.
func (p plan) indexes() (indexes []string) {
	indexes = append(indexes, p.Index)
	for _, below := range p.Plans {
		indexes = append(indexes, below.indexes()...)
	}
	return indexes
}

// exec runs a statement of the test's own.
func exec(t *testing.T, d *dialect, statement string, args ...any) {
	t.Helper()
	_, err := d.db.Direct(t.Context()).Exec(statement, args...)
	require.NoError(t, err)
}

// fillNew publishes n messages that are new.
func fillNew(t *testing.T, d *dialect, n int) {
	t.Helper()
	exec(t, d, `INSERT INTO {messages} (topic, uuid, metadata, payload)
		SELECT 't', i::text, '{}', '' FROM generate_series(1, ?::bigint) i`, n)
}

// fillExpired makes n claims that expired, of whose messages nothing is left under their names.
func fillExpired(t *testing.T, d *dialect, n int) {
	t.Helper()
	exec(t, d, `INSERT INTO {claims} (claim, topic, until, ids)
		SELECT -i, 't', i, ARRAY [i, i + 1] FROM generate_series(1, ?::bigint) i`, n)
}

// Whatever the statistics say, a claim reads the beginning of an index, and never looks through a table or sorts it: so says
// the plan of the statement, which is the same for all parameters.
func TestClaimPlan(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(*testing.T, *dialect){
		"no statistics, few":  func(t *testing.T, d *dialect) { fillNew(t, d, 50) },
		"no statistics, many": func(t *testing.T, d *dialect) { fillNew(t, d, 20_000) },
		"good statistics": func(t *testing.T, d *dialect) {
			fillNew(t, d, 20_000)
			exec(t, d, "ANALYZE {messages}")
		},
		"empty before": func(t *testing.T, d *dialect) {
			exec(t, d, "VACUUM ANALYZE {messages}")
			fillNew(t, d, 20_000)
		},
		"all delayed before": func(t *testing.T, d *dialect) {
			fillDelayed(t, d, 10_000)
			exec(t, d, "ANALYZE {messages}")
			fillNew(t, d, 20_000)
		},
		"all claimed before": func(t *testing.T, d *dialect) {
			fillNew(t, d, 10_000)
			exec(t, d, "UPDATE {messages} SET claim = id")
			exec(t, d, "ANALYZE {messages}")
			exec(t, d, "UPDATE {messages} SET claim = 0")
		},
		"another topic before": func(t *testing.T, d *dialect) {
			fillNew(t, d, 10_000)
			exec(t, d, "UPDATE {messages} SET topic = 'other'")
			exec(t, d, "ANALYZE {messages}")
			fillNew(t, d, 20_000)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newTestDialect(t)
			prepare(t, d)
			p := planned(t, d, claimMessages, "t", int64(0), 5, "t", int64(0), "t", 10, int64(8), int64(8), "t", int64(1), []int64{}, 5, "t")
			assert.NotContains(t, p.nodes(), "Sort")
			for _, scan := range p.scans() {
				if scan.Relation == "redrive_messages" {
					assert.Contains(t, []string{"Index Scan", "Index Only Scan", "Tid Scan"}, scan.Node)
					assert.Less(t, scan.Filtered, 200., "%+v", scan)
				}
			}
		})
	}
}

// TestPlans holds that what else runs all the time never looks through a table of messages, without statistics, with them, and
// with those of a time when the tables were empty.
func TestPlans(t *testing.T) {
	t.Parallel()
	fill := func(t *testing.T, d *dialect) { fillDelayed(t, d, 20_000); fillExpired(t, d, 50) }
	count := func(t *testing.T, d *dialect) { exec(t, d, "VACUUM ANALYZE {messages}, {claims}") }
	for name, prepare := range map[string]func(*testing.T, *dialect){
		"no statistics":   fill,
		"good statistics": func(t *testing.T, d *dialect) { fill(t, d); count(t, d) },
		"empty before":    func(t *testing.T, d *dialect) { count(t, d); fill(t, d) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newTestDialect(t)
			prepare(t, d)
			requirePlans(t, d)
		})
	}
}

func requirePlans(t *testing.T, d *dialect) {
	t.Helper()
	claimed, _, err := d.Claim(t.Context(), queue.ClaimParams{Topic: "t", Owner: 7, Limit: 10, Lease: time.Minute})
	require.NoError(t, err)
	require.Len(t, claimed, 10)
	ids, owners := make([]int64, 10), make([]int64, 10)
	for i, c := range claimed {
		ids[i], owners[i] = c.ID, 7
	}
	waits, texts, bytes := make([]int64, 10), make([]string, 10), make([][]byte, 10)
	for what, statement := range map[string][]any{
		"end": {endClaims, ids[:3], owners[:3]}, "return": {returnMessages, ids, owners, waits, waits, texts, texts},
		"finish": {finishAll, ids[3:6], owners[3:6], ids[3:6], owners[3:6], texts[3:6], texts[3:6],
			bytes[3:6], waits[3:6], 3},
		"renew": {renewClaims, ids[6:], owners[6:], time.Minute.Microseconds()},
		"drop":  {dropExpired, "t", int64(0), "t", int64(0)}, "expired": {selectExpired, "t", int64(0), 10},
		"in flight": {backlogs[3], "t"},
	} {
		for _, scan := range explained(t, d, statement[0].(string), statement[1:]...).scans() {
			if scan.Relation == "redrive_messages" {
				assert.NotEqual(t, "Seq Scan", scan.Node, "%s: %+v", what, scan)
			}
		}
	}
}

// TestForgettingPlans holds that forgetting old statuses finds them by their keys, whatever the server knows of the table. There are so
// many that looking through all of them costs more; of few, it does not.
func TestForgettingPlans(t *testing.T) {
	t.Parallel()
	const events = 200_000
	fill := `INSERT INTO {events} (correlation_id, body_hash, status, created_at, updated_at)
		SELECT lpad(i::text, 8, '0'), '', 'processed', 0, 0 FROM generate_series(1, $1::int) i`
	count := "VACUUM ANALYZE {events}, {dead_letters}"
	for name, prepare := range map[string]func(*testing.T, *dialect){
		"no statistics":   func(t *testing.T, d *dialect) { exec(t, d, fill, events) },
		"good statistics": func(t *testing.T, d *dialect) { exec(t, d, fill, events); exec(t, d, count) },
		"empty before":    func(t *testing.T, d *dialect) { exec(t, d, count); exec(t, d, fill, events) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newTestDialect(t)
			prepare(t, d)
			ids := make([]any, 500)
			for i := range ids {
				ids[i] = fmt.Sprintf("%08d", events/2+i+1)
			}
			list, keys := sqlstore.List(ids)
			look := explained(t, d, sqlstore.SelectForgettable, int64(1), int64(1), fmt.Sprintf("%08d", events/2), 500)
			lock := explained(t, d, fmt.Sprintf(sqlstore.LockForgettable, list), append([]any{int64(1), int64(1)}, keys...)...)
			forget := explained(t, d, fmt.Sprintf(sqlstore.ForgetEvents, list), keys...)
			for what, plan := range map[string]plan{"look": look, "lock": lock, "forget": forget} {
				require.NotEmpty(t, plan.scans(), what)
				for _, scan := range plan.scans() {
					assert.NotEqual(t, "Seq Scan", scan.Node, "%s: %+v", what, scan)
				}
			}
			assert.NotContains(t, look.nodes(), "Sort")
		})
	}
}

// A million delayed messages, or as many as a test has time for, do not slow claims down.
func TestClaimsAmongDelayed(t *testing.T) {
	t.Parallel()
	d := newTestDialect(t)
	fillDelayed(t, d, 50_000)
	var worst time.Duration
	for owner := range int64(30) {
		began := time.Now()
		claimed, next, err := d.Claim(t.Context(), queue.ClaimParams{Topic: "t", Owner: owner + 1, Limit: 5, Lease: time.Minute})
		require.NoError(t, err)
		worst = max(worst, time.Since(began))
		if owner < 20 {
			require.Len(t, claimed, 5)
			continue
		}
		require.Empty(t, claimed)
		assert.Greater(t, next, 50*time.Minute, "the next one is far away")
	}
	t.Log("the slowest claim took", worst)
}

// TestCountPlans holds that dead letters are counted in an index where one narrows them down, and that no payload is read.
func TestCountPlans(t *testing.T) {
	t.Parallel()
	d := newTestDialect(t)
	sqlstoretest.FillDeadLetters(t, d.db, d, 20)
	exec(t, d, `INSERT INTO {dead_letters} (id, dlq, created_at, accepted_at, signature, redrives, topic, message_id, correlation_id,
			error_type, error_message, error_stack, metadata, history, payload)
		SELECT (9::bigint << 48) + i, 9, 0, 0, i % 3, i % 5, 't', i::text, i::text, '', repeat('x', 200), '', '{}', '', ''
		FROM generate_series(1, 20000) i`)
	exec(t, d, "VACUUM ANALYZE {dead_letters}")
	for index, counts := range sqlstoretest.Counts(t, d.db, d) {
		for _, count := range counts {
			p := explained(t, d, count.Query, count.Args...)
			assert.NotContains(t, p.nodes(), "Seq Scan", count.Query)
			want := map[string]string{"id": "_pkey", "event": "_event", "cause": ""} // of moves, any that narrows them down
			assert.Contains(t, strings.Join(p.indexes(), " "), want[index], count.Query)
		}
	}
}
