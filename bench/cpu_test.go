package bench

import (
	"syscall"
	"testing"
	"time"
)

// measured runs work for b.N events and reports their rate, and the processor time that each took: the steadier of the
// two on a machine that others use too.
func measured(b *testing.B, work func()) {
	before := processorTime(b)
	b.ResetTimer()
	work()
	b.StopTimer()
	used := processorTime(b) - before
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(used.Nanoseconds())/1000/float64(b.N), "cpu-µs/event")
}

func processorTime(tb testing.TB) time.Duration {
	var usage syscall.Rusage
	must(tb, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
