package postgres

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The size of the pool is what the DSN gives as such, in either form, and nothing that only looks like it.
func TestConnectionsOfADSN(t *testing.T) {
	t.Parallel()
	for dsn, want := range map[string]int32{
		"postgres://u:p@h/d":                                  DefaultConnections,
		"postgres://u:p@h/d?pool_max_conns=7":                 7,
		"postgres://u:p@h/d?sslmode=disable&pool_max_conns=7": 7,
		"postgres://u:pool_max_conns=7@h/d":                   DefaultConnections,
		"postgres://u:p@h/d?application_name=pool_max_conns":  DefaultConnections,
		"host=h user=u password=p":                            DefaultConnections,
		"host=h user=u pool_max_conns=7 password=p":           7,
		"host=h user=u pool_max_conns = '7' password=p":       7,
		"host=h user=u password='p pool_max_conns=7'":         DefaultConnections,
		"host=h user=u password=p pool_max_conn_lifetime=1h":  DefaultConnections,
	} {
		cfg, err := parse(dsn)
		require.NoError(t, err, dsn)
		assert.Equal(t, want, cfg.MaxConns, dsn)
	}
	for _, dsn := range []string{"postgres://host:port", "host=h pool_max_conns=many"} {
		_, err := parse(dsn)
		require.Error(t, err, dsn)
	}
}
