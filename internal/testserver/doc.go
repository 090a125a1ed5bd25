// Package testserver gives tests the databases and brokers that they need. It is for tests only; no other code imports it.
//
// A test that wants a server and leaves it running asks for the one that the environment names, and gets a schema or
// database of its own on it:
//
//	func TestStore(t *testing.T) {
//		dsn, schema := testserver.PostgresSchema(t)
//		…
//	}
//
// The environment is REDRIVE_TEST_POSTGRES (postgres://user:password@host:port/database), REDRIVE_TEST_MYSQL (in the form
// of go-sql-driver, user:password@tcp(host:port)/database) and REDRIVE_TEST_AMQP (amqp://user:password@host:port/vhost, or
// without the last for the virtual host that every RabbitMQ has). "make test" sets them; see the command withservers.
//
// A test that kills and restarts a server asks for a private one, which is started from installed binaries:
//
//	func TestRestart(t *testing.T) {
//		server := testserver.PrivatePostgres(t)
//		require.NoError(t, server.Kill())
//		require.NoError(t, server.Start(t.Context()))
//		…
//	}
//
// Pause and Resume let it hang and go on. What people would run by hand goes through Psql, MySQLClient and Rabbitmqctl.
//
// Without a server the test is skipped and says what is missing. With REDRIVE_TEST_REQUIRE=1 it fails instead.
//
// What is started here listens on 127.0.0.1 only, on a free port, with a password of its own, and dies with the process that
// started it, however that ends (on Linux). Servers that refuse to run as root run as an unprivileged user.
package testserver
