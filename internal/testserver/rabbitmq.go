package testserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"syscall"

	amqp "github.com/rabbitmq/amqp091-go"
)

var (
	rabbitmqProgram    = Program{"rabbitmq-server"}
	rabbitmqctlProgram = Program{"rabbitmqctl"}
)

func rabbitmqKind() Kind {
	return Kind{
		Name:     "RabbitMQ",
		Variable: "REDRIVE_TEST_AMQP",
		Start:    StartRabbitMQ,
		Programs: []Program{rabbitmqProgram},
		Helpers:  []Program{rabbitmqctlProgram},
		Packages: []string{"rabbitmq-server"},
		Version:  rabbitmqVersion,
		Service:  "rabbitmq",
		Port:     5672,
		ComposeDSN: func(address string) string {
			return rabbitmqURL(serverUser, serverUser, address)
		},
		Ping: pingRabbitMQ,
	}
}

// StartRabbitMQ starts a private RabbitMQ in dir, which need not exist, with a user who may do everything, and no plugins; all
// other settings are RabbitMQ's own. As root it runs as the user rabbitmq, to whom dir then belongs. It returns
// ErrNotInstalled without the program.
func StartRabbitMQ(ctx context.Context, dir string) (*Server, error) {
	return start(ctx, dir, recipe{
		program:  rabbitmqProgram,
		accounts: []string{"rabbitmq"},
		stop:     syscall.SIGTERM,
		prepare:  initRabbitMQ,
		args:     rabbitmqArgs,
		dsn:      func(s *site) string { return rabbitmqURL(serverUser, s.password, address(s.port)) },
		ping:     pingRabbitMQ,
	})
}

// rabbitmqVersion is the name of the folder in which the program is: it tells its version only when it runs.
func rabbitmqVersion(context.Context) (string, error) {
	path, err := rabbitmqProgram.Find()
	if err != nil {
		return "", err
	}
	path, err = filepath.EvalSymlinks(path)
	if err != nil {
		return "", fmt.Errorf("find the version of RabbitMQ: %w", err)
	}
	return filepath.Base(filepath.Dir(filepath.Dir(path))), nil
}

// initRabbitMQ names no plugins. The data folder is made by the server.
func initRabbitMQ(_ context.Context, s *site) error {
	_, err := s.write("enabled_plugins", "[].\n")
	return err
}

// rabbitmqArgs writes what the server is told in files; arguments it has none.
func rabbitmqArgs(s *site) ([]string, error) {
	inner, err := freePort()
	if err != nil {
		return nil, err
	}
	if _, err := s.write(rabbitmqEnvironment, rabbitmqSettings(s.dir, inner)); err != nil {
		return nil, err
	}
	_, err = s.write(rabbitmqConfig, fmt.Sprintf(`[{rabbit, [
	{tcp_listeners, [{"127.0.0.1", %d}]},
	{default_user, <<"%s">>},
	{default_pass, <<"%s">>}
]}].
`, s.port, serverUser, s.password))
	return nil, err
}

// rabbitmqConfig is the configuration, as Erlang has it. The newer kind of file costs a fifth of the time that a start takes: for it
// the server reads the schemas of all plugins that are installed.
const rabbitmqConfig = "advanced.config"

// rabbitmqEnvironment is the file, in the folder of a server, from which it and rabbitmqctl take their environment.
const rabbitmqEnvironment = "rabbitmq-env.conf"

// rabbitmqSettings lead the server and rabbitmqctl to nothing but the folder, and to each other at the inner port.
//
// Erlang has a daemon for the latter, epmd, which outlives those that start it and is shared by all servers of a machine. To do
// without it, the server is told its name at once and both are told the port. Where they would look for the daemon nobody
// listens. Nor does the script wait for the server: it becomes the server, as it does for systemd.
func rabbitmqSettings(dir string, inner int) string {
	return fmt.Sprintf(`
MNESIA_BASE='%[1]s/data'
LOG_BASE='%[1]s/logs'
LOGS=-
CONFIG_FILE='%[1]s/none'
CONFIG_FILES='%[1]s/more/*.conf'
ADVANCED_CONFIG_FILE='%[1]s/%[3]s'
ENABLED_PLUGINS_FILE='%[1]s/enabled_plugins'

NODENAME=redrive@127.0.0.1
USE_LONGNAME=true
ERL_EPMD_PORT=1
SERVER_ADDITIONAL_ERL_ARGS='-name redrive@127.0.0.1 -kernel inet_dist_use_interface {127,0,0,1} -erl_epmd_port %[2]d'
CTL_ERL_ARGS='-dist_listen false -erl_epmd_port %[2]d'
export ERL_FLAGS='-start_epmd false'

RUNNING_UNDER_SYSTEMD=true
`, dir, inner, rabbitmqConfig)
}

// rabbitmqURL leads to the virtual host that every server has.
func rabbitmqURL(user, password, address string) string {
	dsn := url.URL{Scheme: "amqp", User: url.UserPassword(user, password), Host: address}
	return dsn.String()
}

// pingRabbitMQ logs in, which needs the virtual host to be there.
func pingRabbitMQ(ctx context.Context, dsn string) error {
	conn, err := amqp.DialConfig(dsn, amqp.Config{Dial: func(network, address string) (net.Conn, error) {
		return dialUntil(ctx, network, address)
	}})
	if err != nil {
		return fmt.Errorf("connect to RabbitMQ: %w", err)
	}
	deadline, _ := ctx.Deadline()
	return conn.CloseDeadline(deadline)
}

// dialUntil makes a connection on which nothing waits for longer than the context lasts.
func dialUntil(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}
