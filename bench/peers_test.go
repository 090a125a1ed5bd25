package bench

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// The settings that suited the peers best of those tried, on a busy machine of two cores: differences of a quarter and
// less were within its noise.
const (
	// Of 10, 20 and 50 connections: with 256 callers 50 had the best median for both, 20 nearly the same.
	riverInsertConnections      = 50
	watermillPublishConnections = 50
	// 10 and 20 could not be told apart.
	riverWorkConnections = 20
	// Of 1 ms, which is the least that River allows, 5 ms and 20 ms: 5 ms had the best median with no-op handlers, and
	// with handlers of 5 ms none was clearly best.
	riverFetchCooldown     = 5 * time.Millisecond
	riverFetchPollInterval = 5 * time.Millisecond
)

// BenchmarkAcceptPeers accepts events durably into PostgreSQL, a call an event, as River, as watermill-sql and as we do it.
func BenchmarkAcceptPeers(b *testing.B) {
	for _, callers := range []int{1, 16, 64, 256} {
		name, race := fmt.Sprintf("callers=%d", callers), race{}
		race.run(b, "river", name, func(b *testing.B) { acceptRiver(b, callers) })
		race.run(b, "watermill-sql", name, func(b *testing.B) { acceptWatermillSQL(b, callers) })
		for _, k := range named("postgres") {
			race.run(b, k.name, name, func(b *testing.B) { accept(b, k.fresh(b), callers) })
		}
	}
}

// BenchmarkConsumePeers consumes what waits in PostgreSQL as River, as watermill-sql and as we do it. In watermill-sql
// the number in flight is one, and handlers that take time are hopeless.
func BenchmarkConsumePeers(b *testing.B) {
	for _, mode := range watermillModes {
		b.Run("watermill-sql/"+mode.name, func(b *testing.B) { consumeWatermillSQL(b, mode) })
	}
	for _, takes := range []time.Duration{0, 5 * time.Millisecond} {
		for _, flight := range []int{100, 500} {
			name, race := fmt.Sprintf("flight=%d/handler=%s", flight, takes), race{}
			race.run(b, "river", name, func(b *testing.B) { consumeRiver(b, flight, takes) })
			for _, k := range named("postgres") {
				race.run(b, k.name, name, func(b *testing.B) { consume(b, k, flight, takes) })
			}
		}
	}
}

// A race keeps the rates of everybody who ran one course, by name and number of events.
type race map[lap][]float64

type lap struct {
	who    string
	events int
}

// run runs one of them and reports how many times the median rate of each one before it this run reached.
func (r race) run(b *testing.B, who, name string, work func(*testing.B)) {
	b.Run(who+"/"+name, func(b *testing.B) {
		work(b)
		rate := float64(b.N) / b.Elapsed().Seconds()
		for at, rates := range r {
			if at.who != who && at.events == b.N {
				b.ReportMetric(rate/median(rates), "x-"+at.who)
			}
		}
		at := lap{who, b.N}
		r[at] = append(r[at], rate)
	})
}

func median(values []float64) float64 {
	return slices.Sorted(slices.Values(values))[len(values)/2]
}
