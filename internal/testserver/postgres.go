package testserver

import (
	"context"
	"fmt"
	"net/url"
	"os/exec"
	"strconv"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
)

// serverUser is the superuser of private servers, and the name of their databases.
const serverUser = "redrive"

var (
	postgresProgram = Program{"postgres"}
	initdbProgram   = Program{"initdb"}
)

func postgresKind() Kind {
	return Kind{
		Name:     "PostgreSQL",
		Variable: "REDRIVE_TEST_POSTGRES",
		Start:    StartPostgres,
		Programs: []Program{postgresProgram, initdbProgram},
		Helpers:  []Program{pgbouncerProgram, psqlProgram},
		Packages: []string{"postgresql", "pgbouncer"},
		Version:  postgresProgram.version,
		Service:  "postgres",
		Port:     5432,
		ComposeDSN: func(address string) string {
			return postgresDSN(serverUser, serverUser, address, serverUser)
		},
		Ping: pingPostgres,
	}
}

// StartPostgres starts a private PostgreSQL in dir, which need not exist, with a superuser and 300 connections; all other
// settings are PostgreSQL's own. As root it runs as the user postgres, to whom dir then belongs. It returns ErrNotInstalled
// without the programs.
func StartPostgres(ctx context.Context, dir string) (*Server, error) {
	return start(ctx, dir, recipe{
		program:  postgresProgram,
		accounts: []string{"postgres"},
		stop:     syscall.SIGINT, // the fast shutdown: clients are thrown out
		prepare:  initPostgres,
		args: func(s *site) ([]string, error) {
			return []string{"-D", s.path("data"), "-p", strconv.Itoa(s.port), "-c", "listen_addresses=127.0.0.1",
				"-c", "unix_socket_directories=", "-c", "max_connections=300"}, nil
		},
		dsn: func(s *site) string {
			return postgresDSN(serverUser, s.password, address(s.port), "postgres")
		},
		ping: pingPostgres,
	})
}

// initPostgres makes the data folder. Only the making of it is not synced to the disk.
func initPostgres(ctx context.Context, s *site) error {
	initdb, err := initdbProgram.Find()
	if err != nil {
		return err
	}
	password, err := s.write("password", s.password)
	if err != nil {
		return err
	}
	return s.finish(exec.CommandContext(ctx, initdb, "-D", s.path("data"), "-U", serverUser, //nolint:gosec // ours
		"-A", "scram-sha-256", "--pwfile", password, "-E", "UTF8", "--locale=C", "--no-sync"))
}

func postgresDSN(user, password, address, database string) string {
	dsn := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(user, password),
		Host:     address,
		Path:     "/" + database,
		RawQuery: "sslmode=disable",
	}
	return dsn.String()
}

func pingPostgres(ctx context.Context, dsn string) error {
	return execPostgres(ctx, dsn, "SELECT 1")
}

// execPostgres runs a statement on a connection of its own, by the simple protocol, which poolers pass on in every mode.
func execPostgres(ctx context.Context, dsn, statement string) error {
	conn, err := pgconn.Connect(ctx, dsn)
	if err != nil {
		return fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	_, err = conn.Exec(ctx, statement).ReadAll()
	if closed := conn.Close(ctx); err == nil {
		err = closed
	}
	return err
}
