// Command cloudevents shows CloudEvents being handed in by their official SDK, in each content mode. It is a module of its own:
//
//	cd examples/cloudevents && go run .
//
// A shop says what was bought. The same CloudEvent sent again is the same event, in whatever hurry the sender was, and what the
// processor sees does not depend on how it travelled. Everything runs in this process, in a temporary folder.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/sqlite"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "cloudevents:", err)
		os.Exit(1)
	}
}

// run tells the whole story on out.
func run(ctx context.Context, out io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "redrive-cloudevents-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	backend, err := sqlite.Open(ctx, filepath.Join(dir, "events.db"), nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, backend.Close()) }()
	service, err := asyncevents.New(backend, greet, &asyncevents.Config{
		CloudEvents: true, Logger: slog.New(slog.DiscardHandler),
		Validator: asyncevents.All(asyncevents.RequireFields("customer"), asyncevents.AllowedActions("com.example.bought")),
	})
	if err != nil {
		return err
	}
	server := httptest.NewServer(service.Handler()) // a service would mount it on its mux
	defer server.Close()
	ctx, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- service.Run(ctx) }()
	defer func() {
		stop()
		err = errors.Join(err, <-ended)
	}()
	s := &sender{to: server.URL + "/v1/async/events", service: service, out: out}
	return s.tell(ctx)
}

// greet is the processor.
func greet(_ context.Context, event asyncevents.Event) (any, error) {
	e := event.CloudEvent
	return fmt.Sprintf("%s bought %s (%s from %s, %s)", event.Customer, e.Data, e.ID, e.Source, e.DataContentType), nil
}

// sender sends CloudEvents, as another program would.
type sender struct {
	to      string
	service *asyncevents.Service
	out     io.Writer
}

// bought is a CloudEvent of the shop's.
func bought(id, contentType string, data any) (cloudevents.Event, error) {
	e := cloudevents.NewEvent()
	e.SetID(id)
	e.SetSource("/shop")
	e.SetType("com.example.bought")
	e.SetTime(time.Date(2026, 4, 5, 17, 31, 0, 0, time.UTC))
	e.SetExtension("customer", "Zoë") // no ASCII: the SDK says how it travels
	return e, e.SetData(contentType, data)
}

func (s *sender) tell(ctx context.Context) error {
	tea, err := bought("1", cloudevents.ApplicationJSON, map[string]string{"what": "tea"})
	if err != nil {
		return err
	}
	cake, err := bought("2", cloudevents.ApplicationXML, []byte("<cake/>"))
	if err != nil {
		return err
	}
	for _, letter := range []struct {
		what  string
		mode  context.Context
		event cloudevents.Event
	}{
		{"binary", cloudevents.WithEncodingBinary(ctx), tea},
		{"binary, again", cloudevents.WithEncodingBinary(ctx), tea},
		{"structured", cloudevents.WithEncodingStructured(ctx), cake},
	} {
		request, err := cloudevents.NewHTTPRequestFromEvent(letter.mode, s.to, letter.event)
		if err != nil {
			return err
		}
		if err := s.send(ctx, letter.what, request); err != nil {
			return err
		}
	}
	milk, err := bought("3", cloudevents.TextPlain, "milk")
	if err != nil {
		return err
	}
	request, err := cloudevents.NewHTTPRequestFromEvents(ctx, s.to+"/batch", []cloudevents.Event{cake, milk})
	if err != nil {
		return err
	}
	return s.send(ctx, "batch", request)
}

// send hands in what a request holds, and says what becomes of it.
func (s *sender) send(ctx context.Context, what string, request *http.Request) error {
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(answer.Body)
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(s.out, "%s: %s%s\n", what, answer.Status, replayed(answer))
	for _, id := range correlationID.FindAllSubmatch(body, -1) {
		record, err := s.service.Await(ctx, string(id[1]), 10*time.Second)
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintf(s.out, "  %s: %s\n", record.Status, record.Response)
	}
	return nil
}

var correlationID = regexp.MustCompile(`"correlation_id":"([^"]+)"`)

func replayed(answer *http.Response) string {
	if answer.Header.Get("Idempotent-Replayed") == "" {
		return ""
	}
	return ", and nothing was added"
}
