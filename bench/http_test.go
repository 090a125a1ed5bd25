package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"regexp"
	"strconv"
	"testing"

	"github.com/redrive-go/redrive/asyncevents"
)

// BenchmarkHTTP loads the intake over loopback with wrk beside it on the same machine, and in the same run a handler
// that only reads, checks and answers. It needs wrk (Debian's package of that name) and takes 5 s a case, whatever
// -benchtime says.
func BenchmarkHTTP(b *testing.B) {
	wrk, err := exec.LookPath("wrk")
	if err != nil {
		b.Skip("wrk is not installed")
	}
	for _, connections := range []int{64, 256} {
		bare := 0.0
		b.Run(fmt.Sprintf("bare/connections=%d", connections), func(b *testing.B) {
			bare = load(b, wrk, connections, http.HandlerFunc(answerOnly))
		})
		for _, backend := range backends {
			b.Run(fmt.Sprintf("%s/connections=%d", backend.name, connections), func(b *testing.B) {
				s := newService(b, backend.fresh(b), idle, asyncevents.Config{})
				rate := load(b, wrk, connections, s.Handler())
				b.ReportMetric(rate/bare, "of-bare")
			})
		}
	}
}

// answerOnly does what no intake can do without: read the body, check that it is JSON, answer.
func answerOnly(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil || !json.Valid(body) {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	_, _ = w.Write([]byte(`{"status":"success","metadata":{},` +
		`"payload":{"correlation_id":"62cc313988befe60e3413e75","status":"queued"}}`))
}

var (
	rateLine  = regexp.MustCompile(`Requests/sec:\s+([0-9.]+)`)
	faultLine = regexp.MustCompile(`(?m)^\s+(Non-2xx|Socket errors).*$`)
)

func load(b *testing.B, wrk string, connections int, handler http.Handler) float64 {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(b, err)
	server := &http.Server{Handler: handler}
	go func() { _ = server.Serve(listener) }()
	defer server.Close()
	url := "http://" + listener.Addr().String() + "/v1/async/events"
	out, err := exec.Command(wrk, "-t1", "-c"+strconv.Itoa(connections), "-d5s", "-s", "post.lua", url).CombinedOutput()
	must(b, err)
	if fault := faultLine.Find(out); fault != nil {
		b.Fatalf("%s", fault)
	}
	match := rateLine.FindSubmatch(out)
	if match == nil {
		b.Fatalf("no rate in wrk's output: %s", out)
	}
	rate, err := strconv.ParseFloat(string(match[1]), 64)
	must(b, err)
	b.ReportMetric(rate, "requests/s")
	b.ReportMetric(0, "ns/op")
	return rate
}
