package bench

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/asyncevents/management"
)

// The first page of a DLQ may take so long from the server, and be so large.
const (
	pageMost  = 300 // ms
	pageBytes = 200_000
)

// BenchmarkPages loads the pages of an operator over a DLQ of a million entries, as a browser does: the first page of the DLQ, and
// the overview. It fails where the first page is slow or large.
//
//	BENCH_ENTRIES=1000000 go test -run '^$' -bench Pages/sqlite -benchtime 1x .
func BenchmarkPages(b *testing.B) {
	for _, k := range durable() {
		b.Run(k.name, func(b *testing.B) {
			place := k.place(b)
			s := newService(b, k.at(b, place), refuseForGood, asyncevents.Config{Concurrency: 500})
			fill(b, s, entries())
			drainToDLQ(b, s, entries())
			k.atRest(b, place)
			pages(b, s)
		})
	}
}

func pages(b *testing.B, s *asyncevents.Service) {
	handler, err := management.Handler(s, func(*http.Request, management.Action) (string, error) { return "bench", nil }, nil)
	must(b, err)
	mux := http.NewServeMux()
	mux.Handle("/manage/", handler)
	server := httptest.NewServer(mux)
	defer server.Close()
	took, size := pageLoad(b, server.URL+"/manage/queues/events")
	b.ReportMetric(took, "first-page-ms")
	b.ReportMetric(float64(size), "first-page-bytes")
	overview, _ := pageLoad(b, server.URL+"/manage/")
	b.ReportMetric(overview, "overview-ms")
	b.ReportMetric(0, "ns/op")
	if took > pageMost || size > pageBytes {
		b.Fatalf("the first page takes %.0f ms, and has %d bytes", took, size)
	}
}

// pageLoad is how many milliseconds a page takes as a rule, and its size.
func pageLoad(b *testing.B, url string) (took float64, size int) {
	var times []time.Duration
	for range 21 {
		request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url, http.NoBody)
		must(b, err)
		started := time.Now()
		answer, err := http.DefaultClient.Do(request)
		must(b, err)
		page, err := io.ReadAll(answer.Body)
		must(b, err)
		times = append(times, time.Since(started))
		must(b, answer.Body.Close())
		if answer.StatusCode != http.StatusOK {
			b.Fatalf("%s: %s", url, answer.Status)
		}
		size = len(page)
	}
	return quantile(times, .5), size
}
