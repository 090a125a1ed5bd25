package testserver

import (
	"context"
	"database/sql"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"github.com/go-sql-driver/mysql"
)

var (
	mysqlProgram   = Program{"mariadbd", "mysqld"}
	installProgram = Program{"mariadb-install-db", "mysql_install_db"}
)

func mysqlKind() Kind {
	return Kind{
		Name:     "MySQL",
		Variable: "REDRIVE_TEST_MYSQL",
		Start:    StartMySQL,
		Programs: []Program{mysqlProgram},
		Helpers:  []Program{mysqlClientProgram},
		Packages: []string{"mariadb-server"},
		Version:  mysqlProgram.version,
		Service:  "mysql",
		Port:     3306,
		ComposeDSN: func(address string) string {
			return mysqlDSN("root", serverUser, address)
		},
		Ping: pingMySQL,
	}
}

// StartMySQL starts a private MariaDB, else MySQL, in dir, which need not exist, with a user who may do everything and 300
// connections; all other settings are the server's own. As root it runs as the user mysql, to whom dir then belongs. It
// returns ErrNotInstalled without the programs.
func StartMySQL(ctx context.Context, dir string) (*Server, error) {
	return start(ctx, dir, recipe{
		program:  mysqlProgram,
		accounts: []string{"mysql"},
		stop:     syscall.SIGTERM,
		prepare:  initMySQL,
		args:     mysqlArgs,
		dsn:      func(s *site) string { return mysqlDSN(serverUser, s.password, address(s.port)) },
		ping:     pingMySQL,
	})
}

// initMySQL makes the data folder: MariaDB has a program for that, with MySQL the server does it.
func initMySQL(ctx context.Context, s *site) error {
	install, err := mysqlInstaller(ctx, s)
	if err != nil {
		return err
	}
	return s.finish(install)
}

func mysqlInstaller(ctx context.Context, s *site) (*exec.Cmd, error) {
	server, err := mysqlProgram.Find()
	if err != nil {
		return nil, err
	}
	version, err := mysqlProgram.version(ctx)
	if err != nil {
		return nil, err
	}
	if !strings.Contains(version, "MariaDB") {
		//nolint:gosec // ours
		return exec.CommandContext(ctx, server, "--no-defaults", "--initialize-insecure", "--datadir="+s.path("data")), nil
	}
	install, err := installProgram.Find()
	if err != nil {
		return nil, err
	}
	// Forced, it does not mind a machine that cannot look up its own name.
	return exec.CommandContext(ctx, install, "--no-defaults", "--datadir="+s.path("data"), //nolint:gosec // ours
		"--auth-root-authentication-method=normal", "--skip-test-db", "--force"), nil
}

// mysqlArgs writes what the server does before it lets anybody in, one statement a line. Names are not looked up, so that
// root@localhost, who has no password, can log in from nowhere without a socket.
func mysqlArgs(s *site) ([]string, error) {
	file, err := s.write("init.sql", fmt.Sprintf(`CREATE DATABASE IF NOT EXISTS %[1]s;
CREATE USER IF NOT EXISTS %[1]s@'%%' IDENTIFIED BY '%[2]s';
GRANT ALL ON *.* TO %[1]s@'%%' WITH GRANT OPTION;
DROP USER IF EXISTS root@'127.0.0.1';
`, serverUser, s.password))
	return []string{"--no-defaults", "--datadir=" + s.path("data"), "--bind-address=127.0.0.1",
		"--port=" + strconv.Itoa(s.port), "--socket=", "--pid-file=" + s.path("pid"), "--init-file=" + file,
		"--skip-name-resolve", "--max-connections=300"}, err
}

func mysqlDSN(user, password, address string) string {
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd, cfg.Net, cfg.Addr, cfg.DBName = user, password, "tcp", address, serverUser
	return cfg.FormatDSN()
}

// openMySQL opens a pool whose driver does not log what it returns as an error anyway.
func openMySQL(dsn string) (*sql.DB, error) {
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, fmt.Errorf("read the DSN of MySQL: %w", err)
	}
	cfg.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, fmt.Errorf("connect to MySQL: %w", err)
	}
	return sql.OpenDB(connector), nil
}

func pingMySQL(ctx context.Context, dsn string) error {
	return execMySQL(ctx, dsn, "DO 1")
}

// execMySQL runs a statement on a connection of its own.
func execMySQL(ctx context.Context, dsn, statement string) error {
	db, err := openMySQL(dsn)
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, statement)
	if closed := db.Close(); err == nil {
		err = closed
	}
	return err
}
