package testserver

import (
	"context"
	"os"
	"testing"
)

// PrivatePostgres starts a PostgreSQL of the test's own, which ends with it. Without the programs the test is skipped.
func PrivatePostgres(t testing.TB) *Server {
	t.Helper()
	return private(t, StartPostgres, postgresKind().Programs...)
}

// PrivateMySQL starts a MariaDB or MySQL of the test's own, which ends with it. Without the programs the test is skipped.
func PrivateMySQL(t testing.TB) *Server {
	t.Helper()
	return private(t, StartMySQL, mysqlKind().Programs...)
}

// PrivateRabbitMQ starts a RabbitMQ of the test's own, which ends with it. Without the program the test is skipped.
//
// RabbitMQ notes a new quorum queue on disk half a second after it has declared it. One that is killed before that has the queue
// without a leader ever after: whoever asks it for something waits for a minute and loses the connection.
func PrivateRabbitMQ(t testing.TB) *Server {
	t.Helper()
	return private(t, StartRabbitMQ, rabbitmqKind().Programs...)
}

// PrivatePgBouncer starts a pgbouncer of the test's own, in transaction mode before the PostgreSQL server of dsn. It ends
// with the test. Without the program the test is skipped.
func PrivatePgBouncer(t testing.TB, dsn string) *Server {
	t.Helper()
	return private(t, func(ctx context.Context, dir string) (*Server, error) {
		return StartPgBouncer(ctx, dir, dsn)
	}, pgbouncerProgram)
}

// private starts a server that the test's end kills, since nobody needs its data any more.
func private(t testing.TB, start func(context.Context, string) (*Server, error), programs ...Program) *Server {
	t.Helper()
	if err := Missing(programs...); err != nil {
		lack(t, err.Error()+": this test starts a server of its own")
	}
	dir, err := MakeFolder()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("remove the folder of a private server: %v", err)
		}
	})
	s, err := start(t.Context(), dir)
	if err != nil {
		t.Fatalf("start a private server: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Kill(); err != nil {
			t.Errorf("kill a private server: %v", err)
		}
		if t.Failed() {
			t.Logf("the end of the log of %s:\n%s", s.recipe.program, s.Log())
		}
	})
	return s
}
