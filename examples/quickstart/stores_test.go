package main

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/internal/testserver"
)

// stores are the flags that lead to empty stores which outlive a process.
var stores = map[string]func(*testing.T) []string{
	backendSQLite: func(t *testing.T) []string {
		return []string{"-backend", backendSQLite, "-dsn", filepath.Join(t.TempDir(), "new", "folder", "e.db")}
	},
	backendPostgres: func(t *testing.T) []string {
		return []string{"-backend", backendPostgres, "-dsn", testserver.PostgresSchemaDSN(t), "-exports", t.TempDir()}
	},
	backendMySQL: func(t *testing.T) []string {
		return []string{"-backend", backendMySQL, "-dsn", testserver.MySQLDatabase(t), "-exports", t.TempDir()}
	},
	backendAMQP: func(t *testing.T) []string {
		url, prefix := testserver.AMQP(t), fmt.Sprintf("quickstart-%x-", rand.Uint64())
		t.Cleanup(func() { deleteQueues(t, url, prefix) })
		return brokerFlags(t, url, "-queue-prefix", prefix)
	},
}

// brokerFlags lead to a broker beside an empty store.
func brokerFlags(t *testing.T, url string, more ...string) []string {
	return append([]string{"-backend", backendAMQP, "-dsn", url, "-store-dsn", filepath.Join(t.TempDir(), "e.db")}, more...)
}

// deleteQueues deletes all queues that the program may have declared: nothing lists them. Deleting one that is not there is fine.
func deleteQueues(t *testing.T, url, prefix string) {
	conn, err := amqp.Dial(url)
	require.NoError(t, err)
	defer func() { assert.NoError(t, conn.Close()) }()
	channel, err := conn.Channel()
	require.NoError(t, err)
	for _, topic := range []string{"redrive.events", "redrive.callbacks"} {
		names := []string{prefix + topic, prefix + topic + "#dropped"}
		for shift := range 24 { // waits take eight steps from one power of two to the next
			for step := range 16 {
				names = append(names, fmt.Sprintf("%s#wait#%d", prefix+topic, step<<shift))
			}
		}
		for _, name := range names {
			_, err := channel.QueueDelete(name, false, false, false)
			require.NoError(t, err)
		}
	}
}

// onEachStore runs a case on every kind of store that outlives a process.
func onEachStore(t *testing.T, test func(t *testing.T, flags []string)) {
	t.Parallel()
	for name, flags := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, slices.Clip(flags(t)))
		})
	}
}
