package testserver

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestClients(t *testing.T) {
	t.Parallel()
	assert.Empty(t, Psql(t, Postgres(t), "DO $$ BEGIN NULL; END $$;\n"))
	complaints := Psql(t, Postgres(t), "one;\ntwo;\n")
	assert.Contains(t, complaints, `near "one"`)
	assert.Contains(t, complaints, `near "two"`)

	assert.Empty(t, MySQLClient(t, MySQL(t), "DO 1;\n"))
	complaints = MySQLClient(t, MySQL(t), "one;\ntwo;\n")
	assert.Contains(t, complaints, "near 'one'")
	assert.NotContains(t, complaints, "near 'two'")
}

func TestClientsWithoutPrograms(t *testing.T) {
	ask := func(t testing.TB) { client(t, Program{"no-such-client"}) }
	t.Setenv(RequireVariable, "0")
	assert.Equal(t, "no-such-client: not installed: this test runs it", watch(ask).skipped)
	t.Setenv(RequireVariable, "true")
	assert.Contains(t, watch(ask).failed, "no-such-client: not installed")
}
