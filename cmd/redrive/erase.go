package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

var eraseCommand = command{
	name: "erase", args: "QUEUE", least: 1, most: 1, about: "Erase the entries of a DLQ",
	details: "It erases what matches, or everything, of what is there when the call comes in. On a terminal it asks for the number\n" +
		"of entries to be typed; a script gives it with -confirm, and with -up-to what a -dry-run says, so that it means those\n" +
		"entries and none that came in since. When the number is another one by then, nothing is erased. It waits as long as the service takes; interrupting it may leave it half done.",
	prepare: func(f *flag.FlagSet) action {
		e := erasing{confirm: unconfirmed}
		e.which.register(f)
		f.BoolVar(&e.dry, "dry-run", false, "only say how many entries would be erased")
		f.Func("confirm", "the `number` of entries to erase", func(text string) (err error) {
			if e.confirm, err = strconv.ParseInt(text, 10, 64); err != nil || e.confirm < 0 {
				err = errors.New("it must be a number of entries")
			}
			return err
		})
		f.Func("up-to", "erase nothing with a larger `id`: what a -dry-run counted, as it says", func(text string) error {
			if id, err := strconv.ParseInt(text, 10, 64); err != nil || id < 1 {
				return errors.New("it must be the id of an entry") // an empty one would select everything
			}
			e.upTo = text
			return nil
		})
		return func(ctx context.Context, s *session, args []string) error {
			e.session, e.queue = s, args[0]
			return e.run(ctx)
		}
	},
}

// unconfirmed is an erasure that nobody confirmed yet.
const unconfirmed = -1

// erasing is one run of the command.
type erasing struct {
	*session
	queue   string
	which   filter
	upTo    string
	confirm int64
	dry     bool
}

// counted is how many entries would be erased, and the id up to which they were counted.
type counted struct {
	dryRun
	UpTo string `json:"up_to,omitempty"`
}

func (e *erasing) run(ctx context.Context) error {
	if err := e.which.check("erase"); err != nil {
		return err
	}
	if e.confirm != unconfirmed && !e.dry {
		return e.erase(ctx)
	}
	found, raw, err := e.count(ctx)
	if err != nil {
		return err
	}
	if e.dry {
		return e.show(found, raw)
	}
	if found.Count == 0 {
		return newNothing(e.which.entries(0) + " in the DLQ of " + e.queue)
	}
	if err := e.ask(ctx, found); err != nil {
		return err
	}
	e.confirm, e.upTo = found.Count, found.UpTo
	return e.erase(ctx)
}

// query is the filter of what is to be erased.
func (e *erasing) query() url.Values {
	query := e.which.query()
	if e.upTo != "" {
		query.Set("up_to", e.upTo)
	}
	return query
}

// count asks how many entries would be erased.
func (e *erasing) count(ctx context.Context) (found counted, raw json.RawMessage, err error) {
	query := e.query()
	query.Set("dry_run", "true")
	raw, err = e.client.call(ctx, entriesRequest(http.MethodDelete, e.queue, query))
	if err != nil {
		return found, nil, err
	}
	if found, err = decode[counted](raw); err == nil && !found.DryRun {
		err = &failure{code: exitFailed, what: "the server should only have counted; it said " + string(raw),
			advice: "look at what is still there"}
	}
	return found, raw, err
}

// show says how many entries would be erased, and how to say that those are meant.
func (e *erasing) show(found counted, raw json.RawMessage) error {
	if e.json() && found.Count > 0 {
		return e.printJSON(raw)
	}
	if err := e.showCount(found.Count, e.queue, &e.which, "be erased"); err != nil {
		return err
	}
	e.say("%s means these", found.flags())
	return nil
}

// flags confirm what was counted.
func (c counted) flags() string { return fmt.Sprintf("-confirm %d -up-to %s", c.Count, c.UpTo) }

// ask has the count typed. Only a person can: what is piped in may be meant for something else.
func (e *erasing) ask(ctx context.Context, found counted) error {
	count := found.Count
	if !isTerminal(e.stdin) {
		return &failure{code: exitRefused, what: fmt.Sprintf("%s would be erased, and nobody confirmed it; nothing was erased",
			e.which.entries(count)), advice: found.flags() + " confirms it"}
	}
	_, _ = fmt.Fprint(e.stderr, plain(fmt.Sprintf("%s in the DLQ of %s will be erased. Type %d to go on: ",
		e.which.entries(count), e.queue, count)))
	typed, err := e.readLine(ctx)
	if err != nil {
		_, _ = fmt.Fprintln(e.stderr)
		return err
	}
	if typed != strconv.FormatInt(count, 10) {
		return &failure{code: exitRefused, what: "that is not the number; nothing was erased"}
	}
	return nil
}

// readLine reads what is typed, until it is interrupted: a terminal cannot be made to stop reading.
func (e *erasing) readLine(ctx context.Context) (string, error) {
	type line struct {
		text string
		err  error
	}
	typed := make(chan line, 1)
	go func() {
		text, err := bufio.NewReader(e.stdin).ReadString('\n')
		typed <- line{strings.TrimSpace(text), err}
	}()
	select {
	case l := <-typed:
		if l.err != nil {
			return "", &failure{code: exitRefused, what: "nothing was typed; nothing was erased", err: l.err}
		}
		return l.text, nil
	case <-ctx.Done():
		return "", &failure{code: exitInterrupted, what: "interrupted; nothing was erased"}
	}
}

func (e *erasing) erase(ctx context.Context) error {
	query := e.query()
	query.Set("confirm", strconv.FormatInt(e.confirm, 10))
	r := entriesRequest(http.MethodDelete, e.queue, query)
	r.long = true
	raw, err := e.client.call(ctx, r)
	if p, ok := errors.AsType[*problem](err); ok && p.Reason.Code == codeCountDiffers && p.Count != nil {
		return &failure{code: exitRefused, err: err, what: fmt.Sprintf("the DLQ holds %s now, not %d; nothing was erased",
			e.which.entries(*p.Count), e.confirm), advice: advices[codeCountDiffers]}
	}
	if err != nil {
		return err
	}
	if e.json() {
		return e.printJSON(raw)
	}
	answer, err := decode[struct {
		Erased int64 `json:"erased"`
	}](raw)
	if err != nil {
		return err
	}
	e.tell("%d erased", answer.Erased)
	return nil
}
