package main

import (
	"net/url"
	"strings"
)

// defaultBroker is a RabbitMQ as it is when it was just installed.
const defaultBroker = "amqp://guest:guest@127.0.0.1:5672/" //nolint:gosec // that is no secret

// store is what keeps everything, or beside a broker all that this does not carry.
type store struct {
	kind string  // the name of its backend; "" for a DSN that leads nowhere
	dsn  *string // the option
	flag string  // its name
}

// store says which store the options name.
func (o *options) store() store {
	if o.backend == backendAMQP {
		return store{storeOf(o.storeDSN), &o.storeDSN, "-store-dsn"}
	}
	return store{o.backend, &o.dsn, "-dsn"}
}

// storeOf returns the backend that a DSN belongs to, "" where it looks like none of them. What holds an @ is not taken for the path
// of a file unless it begins like one: it may hold a password, and paths are shown.
func storeOf(dsn string) string {
	scheme, _, isURL := strings.Cut(dsn, "://")
	switch {
	case strings.HasPrefix(dsn, "file:"):
		return backendSQLite
	case isURL && (scheme == "postgres" || scheme == "postgresql"):
		return backendPostgres
	case isURL || strings.Contains(dsn, "password="):
		return ""
	case strings.Contains(dsn, ")/") || strings.Contains(dsn, "@") && !strings.HasPrefix(dsn, "/") && !strings.HasPrefix(dsn, "."):
		return backendMySQL
	}
	return backendSQLite
}

// isBroker is whether a DSN leads to a broker.
func isBroker(dsn string) bool {
	return strings.HasPrefix(dsn, "amqp://") || strings.HasPrefix(dsn, "amqps://")
}

// pathOf returns the path that is given as it is or as a URL.
func pathOf(file string) string {
	u, err := url.Parse(file)
	switch {
	case err != nil || u.Scheme != "file":
		return file
	case u.Opaque != "": // file:name
		return u.Opaque
	}
	return u.Path
}
