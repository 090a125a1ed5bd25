package main

import (
	"bytes"
	"flag"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/retry"
)

const testSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqr"

func TestOptionsDefaults(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", "/cache")
	t.Setenv("HOME", "/home/u")
	o, err := parseOptions(nil, io.Discard)
	require.NoError(t, err)
	assert.Equal(t, "127.0.0.1:8080", o.addr)
	assert.Equal(t, "sqlite", o.backend)
	assert.Equal(t, "quickstart.db", filepath.Base(o.dsn))
	assert.Equal(t, "redrive", filepath.Base(filepath.Dir(o.dsn)))
	assert.Equal(t, strings.TrimSuffix(o.dsn, ".db")+"-exports", o.exports)
	assert.True(t, o.samples)
	assert.False(t, o.referenceStatus || o.anyAction || o.allowPrivate || o.exposed())
	assert.Zero(t, o.policy())
	require.Len(t, o.secrets(), 1)
	assert.NotEqual(t, o.secrets(), o.secrets(), "each run has its own")

	o, err = parseOptions([]string{"-backend", "memory", "-backoff", "30ms", "-dsn", "/x/y.db"}, io.Discard)
	require.NoError(t, err)
	assert.Equal(t, "quickstart-exports", filepath.Base(o.exports))
	assert.Equal(t, retry.Fixed(30*time.Millisecond), o.policy())
	o, err = parseOptions([]string{"-dsn", "/x/y.db", "-callback-secret", testSecret, "-trusted-site", "a.example",
		"-trusted-site", "b.example"}, io.Discard)
	require.NoError(t, err)
	assert.Equal(t, "/x/y-exports", o.exports)
	assert.Equal(t, []string{testSecret}, o.secrets())
	assert.Equal(t, []string{"a.example", "b.example"}, o.trustedSites)
}

func TestOptionsWithoutCacheFolder(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", "")
	t.Setenv("HOME", "")
	_, err := parseOptions(nil, io.Discard)
	require.ErrorContains(t, err, "set -dsn and -exports")
	_, err = parseOptions([]string{"-backend", "amqp"}, io.Discard)
	require.ErrorContains(t, err, "set -store-dsn and -exports")
	_, err = parseOptions([]string{"-dsn", "/x/y.db"}, io.Discard)
	assert.NoError(t, err)
}

func TestOptionsFaults(t *testing.T) {
	t.Parallel()
	for args, want := range map[string][]string{
		"-addr 0.0.0.0:8080":                          {"-addr 0.0.0.0:8080 can be reached from outside", "-intake-token", "-manage-token"},
		"-addr :8080":                                 {"-addr :8080 can be reached from outside"},
		"-addr [::]:8080":                             {"can be reached from outside"},
		"-addr redrive.example:80":                    {"can be reached from outside"},
		"-addr 8080":                                  {"-addr must be host:port"},
		"-backend postgres":                           {"-backend postgres needs -dsn"},
		"-backend mysql":                              {"-backend mysql needs -dsn"},
		"-backend oracle":                             {`-backend must be one of memory, sqlite, postgres, mysql, amqp, not "oracle"`},
		"-store-dsn x":                                {"-store-dsn goes with -backend amqp, not with -backend sqlite: leave one of them out"},
		"-backend memory -outbox -queue-prefix x":     {"-outbox goes with -backend amqp, not", "-queue-prefix goes with -backend amqp, not"},
		"-dsn amqp://u:short@h/":                      {"-dsn leads to a broker, which goes with -backend amqp, not with -backend sqlite"},
		"-backend amqp -dsn postgres://u:short@h/":    {"-dsn of -backend amqp must be amqp://", "a database goes into -store-dsn"},
		"-backend amqp -store-dsn mysql://u:short@h/": {"-store-dsn must be a database file, postgres://", "of mysql"},
		"-backend amqp -store-dsn amqp://u:short@h/":  {"-store-dsn must be"},
		"-nonsense":                                   {"not defined: -nonsense"},
		"-backoff soon":                               {"-backoff"},
		"more":                                        {`"more" is none`},
		"-backoff -1s -concurrency -1 -lease 1ms -trusted-site https://x -callback-secret short -addr 1": {
			"-backoff must not be negative, not -1s", "-concurrency must be at least 1, not -1",
			"-lease must be at least 100ms, not 1ms", "-trusted-site", "-callback-secret", "-addr must be",
		},
	} {
		var stdout, stderr bytes.Buffer
		assert.Equal(t, exitUsage, run(strings.Fields(args), &stdout, &stderr), args)
		for _, part := range want {
			assert.Contains(t, stderr.String(), part, args)
		}
		assert.NotContains(t, stderr.String(), "short", "no secret is shown")
		assert.Equal(t, 1, strings.Count(stderr.String(), "\n"), "one line: %s", stderr.String())
		assert.Empty(t, stdout.String())
	}
}

// A broker has a store beside it, which is told from its DSN.
func TestOptionsOfBroker(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", "/cache")
	t.Setenv("HOME", "/home/u")
	o, err := parseOptions([]string{"-backend", "amqp"}, io.Discard)
	require.NoError(t, err)
	assert.Equal(t, defaultBroker, o.dsn)
	alone, err := parseOptions(nil, io.Discard)
	require.NoError(t, err)
	assert.Equal(t, alone.dsn, o.storeDSN)
	assert.Equal(t, alone.exports, o.exports)
	for dsn, want := range map[string][2]string{ // the kind, and what is shown
		"/x/y.db":                 {backendSQLite, "/x/y.db"},
		"./m@x/y.db":              {backendSQLite, "./m@x/y.db"},
		"file:y.db":               {backendSQLite, "y.db"},
		"file:///x/a%20b.db":      {backendSQLite, "/x/a b.db"},
		"postgres://u:short@h/d":  {backendPostgres, "the postgres database of -store-dsn"},
		"postgresql:///d":         {backendPostgres, "the postgres database of -store-dsn"},
		"u:short@tcp(h:3306)/d":   {backendMySQL, "the mysql database of -store-dsn"},
		"u:short@/d":              {backendMySQL, "the mysql database of -store-dsn"},
		"unix(/run/mysql.sock)/d": {backendMySQL, "the mysql database of -store-dsn"},
	} {
		o, err := parseOptions([]string{"-backend", "amqp", "-store-dsn", dsn}, io.Discard)
		require.NoError(t, err, dsn)
		assert.Equal(t, want[0], o.store().kind, dsn)
		assert.Equal(t, "queues of the broker of -dsn and in "+want[1], report{options: o}.place())
	}
	_, err = parseOptions([]string{"-backend", "amqp", "-store-dsn", "host=h password=short"}, io.Discard)
	require.ErrorContains(t, err, "-store-dsn must be")
	assert.NotContains(t, err.Error(), "short")
}

func TestOptionsOneTokenIsEnoughToStart(t *testing.T) {
	t.Parallel()
	for _, token := range []string{"-intake-token", "-manage-token"} {
		o, err := parseOptions([]string{"-addr", "0.0.0.0:8080", token, "t"}, io.Discard)
		require.NoError(t, err)
		assert.True(t, o.exposed())
	}
}

func TestHelpListsEveryFlag(t *testing.T) {
	t.Parallel()
	var stdout, stderr bytes.Buffer
	assert.Zero(t, run([]string{"-help"}, &stdout, &stderr))
	assert.Empty(t, stderr.String())
	flags := flag.NewFlagSet("", flag.ContinueOnError)
	(&options{}).register(flags)
	flags.VisitAll(func(f *flag.Flag) { assert.Contains(t, stdout.String(), "  -"+f.Name) })
}
