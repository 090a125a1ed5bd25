package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/redrive-go/redrive/internal/indent"
)

var showCommand = command{
	name: "show", args: "QUEUE ID", least: 2, most: 2, about: "Show one entry whole: its error, every attempt, its payload",
	prepare: func(f *flag.FlagSet) action {
		alone := f.Bool("payload", false, "print the payload alone, as it was sent, for redrive edit")
		original := f.Bool("original", false, "show it as it was before its payload was first edited, and what was changed since")
		return func(ctx context.Context, s *session, args []string) error {
			path := []string{"queues", args[0], "entries", args[1]}
			if *original {
				path = append(path, "original")
			}
			raw, err := s.client.call(ctx, &request{method: http.MethodGet, path: path})
			if err != nil {
				return err
			}
			if *original {
				return s.showOriginal(raw, *alone)
			}
			return s.showEntry(raw, *alone)
		}
	},
}

// showOriginal shows an entry as it was, and the difference to the present one.
func (s *session) showOriginal(raw json.RawMessage, alone bool) error {
	if s.json() && !alone {
		return s.printJSON(raw)
	}
	answer, err := decode[struct {
		Entry      json.RawMessage `json:"entry"`
		Difference string          `json:"difference"`
	}](raw)
	if err != nil {
		return err
	}
	if err := s.showEntry(answer.Entry, alone); err != nil || alone {
		return err
	}
	s.tell("")
	_, _ = fmt.Fprint(s.stdout, plainBlock(answer.Difference))
	return nil
}

// showEntry shows an entry whole, or its payload alone.
func (s *session) showEntry(raw json.RawMessage, alone bool) error {
	if s.json() && !alone {
		return s.printJSON(raw)
	}
	e, err := decode[entry](raw)
	switch {
	case err != nil:
		return err
	case alone:
		return s.printPayload(&e)
	}
	s.showHead(e)
	s.showAttempts(e.Attempts)
	s.showPayload(e)
	return nil
}

// printPayload prints what was sent, byte for byte unless somebody looks at it on a terminal.
func (s *session) printPayload(e *entry) error {
	if e.PayloadHidden {
		return &failure{code: exitRefused, what: "the payload is hidden from you", advice: advices[http.StatusForbidden]}
	}
	payload := []byte(e.Payload)
	if e.PayloadBase64 != nil {
		payload = e.PayloadBase64
	}
	if isTerminal(s.stdout) {
		payload = []byte(plainBlock(string(payload)) + "\n")
	}
	_, _ = s.stdout.Write(payload)
	return nil
}

func (s *session) showHead(e entry) {
	s.facts([][]string{
		{"entry", e.ID + " in the DLQ of " + e.Queue},
		{"correlation id", e.CorrelationID},
		{"accepted", stamp(e.AcceptedAt)},
		{"entered the DLQ", stamp(e.CreatedAt)},
		{"moved back before", timesMoved(e)},
		{"in an export", yesNo(e.Exported)},
	})
	s.tell("error: %s", e.Error)
}

// timesMoved says how often an entry was moved back, and by which job the last time.
func timesMoved(e entry) string {
	text := number(e.Redrives) + " times"
	if e.Redrives == 1 {
		text = "once"
	}
	if e.Job != "" {
		text += ", the last time by job " + e.Job
	}
	return text
}

func yesNo(is bool) string {
	if is {
		return "yes"
	}
	return "no"
}

func (s *session) showAttempts(attempts []attempt) {
	s.tell("")
	for _, a := range attempts {
		line := fmt.Sprintf("attempt %d  %s  took %s", a.Number, stamp(a.StartedAt), time.Duration(a.DurationMS)*time.Millisecond)
		if a.ResponseStatus != 0 {
			line += "  answered " + strconv.Itoa(a.ResponseStatus)
		}
		s.tell("%s  %s", line, a.Error)
		if a.ResponseBody != "" {
			s.tell("  answer: %s", a.ResponseBody)
		}
	}
}

func (s *session) showPayload(e entry) {
	s.tell("")
	switch {
	case e.PayloadHidden:
		s.tell("payload: hidden; you have no right to see it")
	case e.PayloadBase64 != nil:
		s.tell("payload, which is not JSON, in base64:")
		s.tell("%s", base64.StdEncoding.EncodeToString(e.PayloadBase64))
	default:
		s.tell("payload:")
		text, ok := indent.JSON(e.Payload)
		if !ok {
			text = string(e.Payload)
		}
		_, _ = fmt.Fprintln(s.stdout, plainBlock(text))
	}
}
