package postgres

import (
	"encoding/json"
	"errors"

	"github.com/redrive-go/redrive/backends/internal/sqlstore"
)

// estimate is how many rows the planner expects of a query that has more than countLimit, as good as the statistics that
// autovacuum keeps.
func estimate(t sqlstore.Tx, query string, args ...any) (int64, error) {
	var plan []byte
	if err := sqlstore.One(t, []any{&plan}, "EXPLAIN (FORMAT JSON) "+query, args...); err != nil {
		return 0, err
	}
	var plans []struct {
		Plan struct {
			Rows float64 `json:"Plan Rows"`
		}
	}
	if err := json.Unmarshal(plan, &plans); err != nil {
		return 0, err
	}
	if len(plans) == 0 {
		return 0, errors.New("EXPLAIN returned no plan")
	}
	return max(int64(plans[0].Plan.Rows), countLimit), nil
}
