package bench

import (
	"os"
	"strconv"
	"testing"

	"github.com/redrive-go/redrive/asyncevents"
)

// BenchmarkMemory measures the resident memory of a process with a million events waiting and 500 in flight.
func BenchmarkMemory(b *testing.B) {
	for _, k := range durable() {
		b.Run(k.name, func(b *testing.B) {
			for range b.N {
				place := k.place(b)
				backend := k.at(b, place)
				fill(b, newService(b, backend, idle, asyncevents.Config{}), entries())
				must(b, backend.Close())
				consumer := startChild(b, "consume", k, place)
				b.ReportMetric(consumer.number(b), "MiB")
				b.ReportMetric(0, "ns/op")
				consumer.end(b)
			}
		})
	}
}

// entries is how many events wait or dead letters stand in the large cases: BENCH_ENTRIES, or a million.
func entries() int { return fromEnvironment("BENCH_ENTRIES", 1_000_000) }

func fromEnvironment(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil && n > 0 {
		return n
	}
	return otherwise
}
