package testserver

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
)

var (
	psqlProgram        = Program{"psql"}
	mysqlClientProgram = Program{"mariadb", "mysql"}
)

// Psql hands a script to psql, as a DBA would, and returns its errors and warnings. It goes on after an error, as psql does by
// itself. Without the program the test is skipped.
func Psql(t testing.TB, dsn, script string) (complaints string) {
	t.Helper()
	to, err := pgconn.ParseConfig(dsn)
	if err != nil {
		t.Fatalf("read the DSN of PostgreSQL: %v", err)
	}
	cmd := client(t, psqlProgram, "--no-psqlrc", "--quiet")
	cmd.Env = append(cmd.Env, "PGHOST="+to.Host, "PGPORT="+strconv.Itoa(int(to.Port)), "PGUSER="+to.User,
		"PGPASSWORD="+to.Password, "PGDATABASE="+to.Database, "PGOPTIONS=-c client_min_messages=warning")
	return feed(t, cmd, script)
}

// MySQLClient hands a script to the client of MariaDB or MySQL, as a DBA would, and returns its error: it goes no further.
// Without the program the test is skipped.
func MySQLClient(t testing.TB, dsn, script string) (complaint string) {
	t.Helper()
	to, err := mysql.ParseDSN(dsn)
	if err != nil {
		t.Fatalf("read the DSN of MySQL: %v", err)
	}
	host, port, err := net.SplitHostPort(to.Addr)
	if err != nil {
		t.Fatalf("read the DSN of MySQL: %v", err)
	}
	cmd := client(t, mysqlClientProgram, "--no-defaults", "--protocol=tcp", "--host="+host, "--port="+port,
		"--user="+to.User, "--database="+to.DBName)
	cmd.Env = append(cmd.Env, "MYSQL_PWD="+to.Passwd)
	return feed(t, cmd, script)
}

// Rabbitmqctl runs rabbitmqctl on a private server, without its headings, and returns what it wrote. An error of it fails the
// test. Without the program the test is skipped.
func Rabbitmqctl(t testing.TB, s *Server, args ...string) string {
	t.Helper()
	out, err := s.site.ask(client(t, rabbitmqctlProgram, append([]string{"--silent"}, args...)...))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// client is a program that is told in its environment what others must not see among its arguments.
func client(t testing.TB, p Program, args ...string) *exec.Cmd {
	t.Helper()
	path, err := p.Find()
	if err != nil {
		lack(t, err.Error()+": this test runs it")
	}
	cmd := exec.CommandContext(t.Context(), path, args...) //nolint:gosec // one of ours
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	return cmd
}

// feed returns what a program says of a script. How it ends says no more than that.
func feed(t testing.TB, cmd *exec.Cmd, script string) string {
	t.Helper()
	cmd.Stdin = strings.NewReader(script)
	said, err := cmd.CombinedOutput()
	if err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatalf("run %s: %v", cmd.Path, err)
	}
	return string(said)
}
