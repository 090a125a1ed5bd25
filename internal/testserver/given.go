package testserver

import (
	"os"
	"strconv"
	"testing"
)

// RequireVariable is the environment variable that makes a missing server a failure.
const RequireVariable = "REDRIVE_TEST_REQUIRE"

// Required tells whether a missing server fails a test rather than skipping it: whether REDRIVE_TEST_REQUIRE is true.
func Required() bool {
	required, err := strconv.ParseBool(os.Getenv(RequireVariable))
	return err == nil && required
}

// Postgres returns the DSN of the PostgreSQL server that the environment gives. Without one the test is skipped.
func Postgres(t testing.TB) string {
	t.Helper()
	return given(t, postgresKind())
}

// MySQL returns the DSN of the MySQL or MariaDB server that the environment gives. Without one the test is skipped.
func MySQL(t testing.TB) string {
	t.Helper()
	return given(t, mysqlKind())
}

// AMQP returns the URL of the RabbitMQ server that the environment gives. Without one the test is skipped. All tests share its
// virtual host: what they declare carries names of their own.
func AMQP(t testing.TB) string {
	t.Helper()
	return given(t, rabbitmqKind())
}

func given(t testing.TB, k Kind) string {
	t.Helper()
	dsn := os.Getenv(k.Variable)
	if dsn == "" {
		lack(t, k.Variable+" is not set: this test needs a "+k.Name+" server, which make test brings up")
	}
	return dsn
}

// lack ends a test that cannot run.
func lack(t testing.TB, why string) {
	t.Helper()
	if Required() {
		t.Fatalf("%s (and %s does not allow to skip it)", why, RequireVariable)
	}
	t.Skip(why)
}
