package main

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/redrive-go/redrive/internal/soak"
)

// Three replicas share a store, and one of them is killed again and again: the others take over what it held within the
// lease, nothing is lost, and only what it held runs twice.
func TestReplicasKilled(t *testing.T) {
	onEachStore(t, func(t *testing.T, store []string) {
		const lease = 2 * time.Second
		kills := soak.Long(2, 20)
		r := launchTrial(t, 3, store, "-lease", lease.String())
		doubled, took := r.run(t, soak.Long(400, 10_000), kills, func() {
			i := rand.IntN(len(r.servers))
			r.servers[i].kill(t)
			r.launch(t, i)
		})
		assert.LessOrEqual(t, doubled, kills*crashConcurrency)
		assert.Less(t, took, lease+30*time.Second)
	})
}
