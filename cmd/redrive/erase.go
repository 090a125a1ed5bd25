package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

var eraseCommand = command{
	name: "erase", args: "QUEUE", least: 1, most: 1, about: "Erase the entries of a DLQ",
	details: "It erases what matches, or everything, of what is there when the call comes in. On a terminal it asks for the number\n" +
		"of entries to be typed; a script gives it with -confirm, from a -dry-run. When the number is another one by then,\n" +
		"nothing is erased. It waits as long as the service takes; interrupting it may leave it half done.",
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
	confirm int64
	dry     bool
}

func (e *erasing) run(ctx context.Context) error {
	if err := e.which.check("erase"); err != nil {
		return err
	}
	if e.confirm == unconfirmed || e.dry {
		count, err := e.count(ctx)
		if err != nil {
			return err
		}
		if e.dry {
			return e.showCount(count, e.queue, &e.which, "be erased")
		}
		if count == 0 {
			return newNothing(e.which.entries(0) + " in the DLQ of " + e.queue)
		}
		if err := e.ask(ctx, count); err != nil {
			return err
		}
		e.confirm = count
	}
	return e.erase(ctx)
}

// count asks how many entries would be erased: a call without a confirmation is refused with their number.
func (e *erasing) count(ctx context.Context) (int64, error) {
	raw, err := e.client.call(ctx, entriesRequest(http.MethodDelete, e.queue, e.which.query()))
	if p, ok := errors.AsType[*problem](err); ok && p.Reason.Code == codeCountDiffers && p.Count != nil {
		return *p.Count, nil
	}
	if err == nil {
		err = &failure{code: exitFailed, what: "the server should have asked for a confirmation; it said " + string(raw),
			advice: "look at what is still there"}
	}
	return 0, err
}

// ask has the count typed. Only a person can: what is piped in may be meant for something else.
func (e *erasing) ask(ctx context.Context, count int64) error {
	if !isTerminal(e.stdin) {
		return &failure{code: exitRefused, what: fmt.Sprintf("%s would be erased, and nobody confirmed it; nothing was erased",
			e.which.entries(count)), advice: fmt.Sprintf("-confirm %d confirms it", count)}
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
	query := e.which.query()
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
