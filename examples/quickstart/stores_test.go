package main

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/redrive-go/redrive/internal/testserver"
)

// stores are the flags that lead to empty stores which outlive a process.
var stores = map[string]func(*testing.T) []string{
	backendSQLite: func(t *testing.T) []string {
		return []string{"-dsn", filepath.Join(t.TempDir(), "e.db")}
	},
	backendPostgres: func(t *testing.T) []string {
		return []string{"-backend", backendPostgres, "-dsn", testserver.PostgresSchemaDSN(t), "-exports", t.TempDir()}
	},
	backendMySQL: func(t *testing.T) []string {
		return []string{"-backend", backendMySQL, "-dsn", testserver.MySQLDatabase(t), "-exports", t.TempDir()}
	},
}

// onEachStore runs a case on every kind of store that outlives a process.
func onEachStore(t *testing.T, test func(t *testing.T, flags []string)) {
	t.Parallel()
	for name, flags := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, slices.Clip(flags(t)))
		})
	}
}
