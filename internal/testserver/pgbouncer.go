package testserver

import (
	"context"
	"fmt"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
)

var pgbouncerProgram = Program{"pgbouncer"}

// StartPgBouncer starts a private pgbouncer in dir, which need not exist: a pooler in transaction mode before the
// PostgreSQL server of dsn, for the user and password of dsn, who may also use its console, the database pgbouncer. Up to
// 500 clients may connect; all other settings are pgbouncer's own. As root it runs as the user postgres, to whom dir then
// belongs. It returns ErrNotInstalled without the program.
func StartPgBouncer(ctx context.Context, dir, dsn string) (*Server, error) {
	target, err := pgconn.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("read the DSN of the server to pool: %w", err)
	}
	return start(ctx, dir, recipe{
		program:  pgbouncerProgram,
		accounts: []string{"postgres"},
		stop:     syscall.SIGINT,
		prepare:  func(context.Context, *site) error { return nil },
		args:     func(s *site) ([]string, error) { return pgbouncerArgs(s, target) },
		dsn: func(s *site) string {
			return postgresDSN(target.User, target.Password, address(s.port), target.Database)
		},
		ping: pingPostgres,
	})
}

// pgbouncerArgs writes the configuration that they name. The password is kept as it is, so that pgbouncer can use it on both
// sides.
func pgbouncerArgs(s *site, target *pgconn.Config) ([]string, error) {
	quote := func(v string) string { return `"` + strings.ReplaceAll(v, `"`, `""`) + `"` }
	users, err := s.write("users.txt", quote(target.User)+" "+quote(target.Password)+"\n")
	if err != nil {
		return nil, err
	}
	auth := "scram-sha-256"
	if target.Password == "" {
		auth = "trust"
	}
	file, err := s.write("pgbouncer.ini", fmt.Sprintf(`[databases]
* = host=%s port=%d

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = %s
auth_file = %s
admin_users = %s
pool_mode = transaction
max_client_conn = 500
`, target.Host, target.Port, s.port, auth, users, target.User))
	return []string{file}, err
}
