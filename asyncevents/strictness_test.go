package asyncevents

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"
)

// laxEnvelope is what a service that is not strict would decode a body into.
type laxEnvelope struct {
	Customer      string          `json:"customer"`
	Action        string          `json:"action"`
	CallbackURL   string          `json:"callback_url"`
	CorrelationID string          `json:"correlation_id"`
	Data          json.RawMessage `json:"data"`
}

// decoders are ways to read a body.
var decoders = map[string]func(body []byte) error{
	"strict": func(body []byte) error {
		if _, problem := parseBody(body); problem != nil {
			return problem
		}
		return nil
	},
	"encoding/json": func(body []byte) error { return json.Unmarshal(body, &laxEnvelope{}) },
	// The decoder that parseBody stands on, in one pass that neither looks for duplicate names, UTF-8 or depth nor finds any attribute.
	"jsontext, lax": func(body []byte) error {
		d := laxDecoders.Get().(*jsontext.Decoder)
		defer laxDecoders.Put(d)
		d.Reset(newBuffer(body), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
		return d.SkipValue()
	},
}

var laxDecoders = sync.Pool{New: func() any { return new(jsontext.Decoder) }}

// newBuffer reads a body in place, as the decoder does with a bytes.Buffer.
func newBuffer(body []byte) io.Reader { return bytes.NewBuffer(body) }

// decoding is an intake that decodes events and forgets them.
type decoding struct {
	intake
	decode func([]byte) error
}

func (d decoding) Accept(_ context.Context, s Submission) (Accepted, error) {
	if err := d.decode(s.Body); err != nil {
		return Accepted{}, err
	}
	return Accepted{CorrelationID: "62cc313988befe60e3413e75", Status: StatusQueued}, nil
}

// BenchmarkStrictness compares the intake, over loopback and without a store, which would only hide what decoding costs, with one whose
// decoder is not strict. They run in turns; of-lax is the median of the ratios of their rates.
func BenchmarkStrictness(b *testing.B) {
	const rounds, round = 9, 300 * time.Millisecond
	const small = `{"customer":"280e674c-c4ea-4a30-987a-d9267d1a5018","action":"point_add","data":{"points":325,"note":"welcome"}}`
	large := `{"customer":"c","action":"a","data":{"lines":[{}` + strings.Repeat(`,{"sku":"4711-ä","n":2,"price":12.50}`, 200) + `]}}`
	for size, body := range map[string]string{"small": small, "large": large} {
		for _, lax := range []string{"encoding/json", "jsontext, lax"} {
			b.Run(size+"/"+lax, func(b *testing.B) {
				for b.Loop() {
					var strictRates, ratios []float64
					for range rounds {
						strict := rateOf(b, decoders["strict"], body, round)
						strictRates = append(strictRates, strict)
						ratios = append(ratios, strict/rateOf(b, decoders[lax], body, round))
					}
					slices.Sort(strictRates)
					slices.Sort(ratios)
					b.ReportMetric(strictRates[rounds/2], "requests/s")
					b.ReportMetric(ratios[rounds/2], "of-lax")
					b.ReportMetric(0, "ns/op")
				}
			})
		}
	}
}

// rateOf is how many events an intake takes per second from 32 connections, whose clients do next to nothing.
func rateOf(b *testing.B, decode func([]byte) error, body string, during time.Duration) float64 {
	b.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	handler := newHandler(decoding{decode: decode}, handlerConfig{maxBody: 256 << 10, logger: slog.New(slog.DiscardHandler)})
	server := &http.Server{Handler: handler}
	go func() { _ = server.Serve(listener) }()
	defer func() { _ = server.Close() }()
	request := fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		eventsPath, len(body), body)
	var clients sync.WaitGroup
	counts := make([]int, 32)
	faults := make([]error, len(counts))
	began := time.Now()
	for i := range counts {
		clients.Go(func() { counts[i], faults[i] = postAgain(listener.Addr().String(), request, began.Add(during)) })
	}
	clients.Wait()
	took := time.Since(began)
	require.NoError(b, errors.Join(faults...))
	all := 0
	for _, n := range counts {
		all += n
	}
	return float64(all) / took.Seconds()
}

// postAgain posts the same until the time is over. All answers have the length of the first one.
func postAgain(address string, request []byte, until time.Time) (n int, err error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write(request); err != nil {
		return 0, err
	}
	read := &counted{r: conn}
	first, err := http.ReadResponse(bufio.NewReader(read), nil)
	if err != nil {
		return 0, err
	}
	if _, err := io.ReadAll(first.Body); err != nil || first.StatusCode != http.StatusAccepted {
		return 0, errors.Join(err, first.Body.Close(), fmt.Errorf("answered %s", first.Status))
	}
	answer := make([]byte, read.n)
	for time.Now().Before(until) {
		if _, err := conn.Write(request); err != nil {
			return n, err
		}
		if _, err := io.ReadFull(conn, answer); err != nil {
			return n, err
		}
		n++
	}
	return n, first.Body.Close()
}

// counted counts what is read.
type counted struct {
	r io.Reader
	n int
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}
