package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Between two tries a sender waits for a moment: shortly where nobody listens, longer where a server says that it cannot serve.
const (
	sendAgain  = 5 * time.Millisecond
	sendLater  = 50 * time.Millisecond
	answerTime = 10 * time.Second
)

// senders send events to servers that come and go, each until it is accepted. Every other event leaves its id to the server.
type senders struct {
	bases    []*atomic.Pointer[string] // of each server
	work     chan int                  // numbers of events
	fed      int                       // the last of them
	accepted atomic.Int64
	running  sync.WaitGroup

	mu      sync.Mutex
	ids     []string    // of what was accepted
	answers map[int]int // how many there were by status; 0 is none
	endless int         // answers with 503 that did not say when to come again
	longest time.Duration
}

// serves says where the server of that number is now.
func (s *senders) serves(number int, p *process) {
	for len(s.bases) <= number {
		s.bases = append(s.bases, new(atomic.Pointer[string]))
	}
	s.bases[number].Store(&p.base)
}

// start starts so many of them, for events that are fed until finish is called.
func (s *senders) start(ctx context.Context, events, count int) (finish func()) {
	s.answers, s.work = map[int]int{}, make(chan int, events)
	for number := range count {
		base := s.bases[number%len(s.bases)]
		s.running.Go(func() {
			transport := &http.Transport{}
			defer transport.CloseIdleConnections()
			client := &http.Client{Transport: transport, Timeout: answerTime}
			for n := range s.work {
				s.insist(ctx, client, base, crashBody(n))
			}
		})
	}
	return sync.OnceFunc(func() {
		close(s.work)
		s.running.Wait()
	})
}

// feed has the events up to that number sent.
func (s *senders) feed(last int) {
	for ; s.fed < last; s.fed++ {
		s.work <- s.fed + 1
	}
}

func crashBody(n int) string {
	id := ""
	if n%2 == 0 {
		id = "e" + strconv.Itoa(n)
	}
	return eventBody(id, `{"sleep_ms":3}`)
}

// insist sends an event until it is accepted.
func (s *senders) insist(ctx context.Context, client *http.Client, base *atomic.Pointer[string], body string) {
	for ctx.Err() == nil {
		began := time.Now()
		status, header := send(ctx, client, *base.Load(), body)
		s.note(status, header, time.Since(began))
		switch status {
		case http.StatusAccepted:
			s.accepted.Add(1)
			return
		case 0: // the server is down or going down
			time.Sleep(sendAgain)
		default:
			time.Sleep(sendLater)
		}
	}
}

// send returns the answer to an event, or 0 when there was none.
func send(ctx context.Context, client *http.Client, base, body string) (status int, header http.Header) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, base+eventsPath, strings.NewReader(body))
	if err != nil {
		return 0, nil
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return 0, nil
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode, response.Header
}

func (s *senders) note(status int, header http.Header, took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[status]++
	s.longest = max(s.longest, took)
	switch status {
	case http.StatusAccepted:
		s.ids = append(s.ids, path.Base(header.Get("Location")))
	case http.StatusServiceUnavailable:
		if seconds, err := strconv.Atoi(header.Get("Retry-After")); err != nil || seconds < 1 {
			s.endless++
		}
	}
}

// String says what the senders have seen.
func (s *senders) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Sprintf("%d accepted, answers by status %v, the longest after %v", len(s.ids), s.answers,
		s.longest.Round(time.Millisecond))
}
