package sqlstore

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A script begins where the schema stands, looks whether it does, and says at each step which version that brings.
func TestScript(t *testing.T) {
	t.Parallel()
	const (
		first = "CREATE {s}{p}schema;\n"
		one   = "\n-- Version 1.\nCREATE a_one;\nUPDATE a_schema SET version = 1 WHERE id = 1 AND version = 0;\n"
		two   = "\n-- Version 2.\nCREATE a_two;\nUPDATE a_schema SET version = 2 WHERE id = 1 AND version = 1;\n"
	)
	check := func(version string) string {
		return "\n-- This is for version " + version + ". Where another one stands, its row is inserted again, which fails for a " +
			"duplicate key.\n" +
			"INSERT INTO a_schema (id, version) SELECT id, version FROM a_schema WHERE id = 1 AND version <> " + version + ";\n"
	}
	names, err := NewNames("", "a_", 63, nil)
	require.NoError(t, err)
	m := &Migrator{Names: names, First: first, Versions: []string{"\nCREATE {p}one;\n", "\nCREATE {p}two;\n"}}
	for version, want := range []string{"CREATE a_schema;\n" + check("0") + one + two, check("1") + two, ""} {
		script, err := m.Script(version)
		require.NoError(t, err)
		assert.Equal(t, want, script)
	}
	for _, version := range []int{-1, 3} {
		_, err := m.Script(version)
		require.ErrorContains(t, err, "must be 0 to 2")
	}
}
