package bench

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// rounds is how often a case with a large store is measured: BENCH_ROUNDS, or three times.
func rounds() int { return fromEnvironment("BENCH_ROUNDS", 3) }

// figures are what several rounds measured, by unit.
type figures map[string][]float64

func (f figures) add(figure float64, unit string) { f[unit] = append(f[unit], figure) }

// report reports the median of each figure, and logs all of them, in one line: few lines of a benchmark are shown.
func (f figures) report(b *testing.B) {
	all := ""
	for _, unit := range slices.Sorted(maps.Keys(f)) {
		b.ReportMetric(median(f[unit]), unit)
		all += fmt.Sprintf("%s %.4g, ", unit, f[unit])
	}
	b.Log(strings.TrimSuffix(all, ", "))
	b.ReportMetric(0, "ns/op")
}
