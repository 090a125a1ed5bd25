package asyncevents_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	module       = "github.com/redrive-go/redrive/"
	watermillSQL = "github.com/ThreeDotsLabs/watermill-sql/"
)

// TestImports holds that the arrows between packages run one way, and that the core knows no driver.
func TestImports(t *testing.T) {
	t.Parallel()
	drivers := []string{"modernc.org/", "database/sql\n", "github.com/jackc/", "github.com/go-sql-driver/", "github.com/rabbitmq/"}
	for pkg, never := range map[string][]string{
		"retry":                  append(drivers, module+"dlq", module+"export", module+"asyncevents", module+"backends", "net/http"),
		"dlq":                    append(drivers, module+"export", module+"asyncevents", module+"backends", "net/http"),
		"export":                 append(drivers, module+"asyncevents", module+"backends", "net/http"),
		"asyncevents/callback":   append(drivers, module+"dlq", module+"export", module+"backends"),
		"asyncevents":            append(drivers, module+"backends", "html/template"),
		"asyncevents/management": append(drivers, module+"backends"),
		"backends/memory":        append(drivers, module+"examples"),
		"backends/foreign":       append(drivers, module+"examples"),
		"backends/sqlite":        {module + "examples", "html/template", "github.com/jackc/", "github.com/go-sql-driver/"},
		"backends/postgres":      {module + "examples", "github.com/go-sql-driver/", "github.com/lib/pq", watermillSQL},
		"backends/mysql":         {module + "examples", "github.com/jackc/", "github.com/lib/pq", watermillSQL},
	} {
		out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", module+pkg).Output()
		require.NoError(t, err)
		for dep := range strings.Lines(string(out)) {
			for _, bad := range never {
				assert.False(t, strings.HasPrefix(dep, bad), "%s imports %s", pkg, strings.TrimSpace(dep))
			}
		}
	}
}
