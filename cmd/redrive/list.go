package main

import (
	"context"
	"encoding/json"
	"flag"
	"net/http"
	"net/url"
	"strconv"
)

var listCommand = command{
	name: "list", args: "QUEUE", least: 1, most: 1, about: "List the entries of a DLQ, oldest first",
	details: "A search through a large DLQ comes in parts; the command asks on by itself until it has enough.\n" +
		"-output json prints each entry whole, one a line.",
	prepare: listOf("list", listEntries),
}

// What is listed, as the last part of the path says it.
const (
	listEntries = "entries"
	listErased  = "erased"
)

// listOf prepares the command of that name, a list of what stands in a DLQ, or of what was erased from it.
func listOf(command, what string) func(*flag.FlagSet) action {
	return func(f *flag.FlagSet) action {
		l := listing{command: command, what: what}
		l.which.register(f)
		l.limit.register(f, "entries")
		return func(ctx context.Context, s *session, args []string) error {
			l.session, l.queue = s, args[0]
			return l.run(ctx)
		}
	}
}

// pageSize is how many entries are asked for at a time: each may be some hundred kilobytes.
const pageSize = 100

// limit is how many items a list shows.
type limit struct {
	n   int
	all bool
}

// defaultLimit is how many items a list shows unless it is told otherwise.
const defaultLimit = 50

func (l *limit) register(f *flag.FlagSet, items string) {
	f.IntVar(&l.n, "limit", defaultLimit, "show so many "+items)
	f.BoolVar(&l.all, "all", false, "show all "+items)
}

func (l *limit) check(command string) error {
	if l.n < 1 {
		return newUsage(command, "-limit must be at least 1")
	}
	return nil
}

// next is how many to ask for when some are shown already; 0 when that is enough.
func (l *limit) next(shown int) int {
	if l.all {
		return pageSize
	}
	return min(l.n-shown, pageSize)
}

// pages asks for page after page until enough items are shown. ask shows n items at most, and says how many there were and
// whether there are more.
func (l *limit) pages(ask func(n, shown int) (got int, more bool, err error)) (shown int, err error) {
	for n := l.next(0); n > 0; n = l.next(shown) {
		got, more, err := ask(n, shown)
		shown += got
		if err != nil || !more {
			return shown, err
		}
	}
	return shown, nil
}

// newCircle says that a list has no end.
func newCircle() *failure {
	return &failure{code: exitFailed, what: "the server's list does not go on: it names the same page again"}
}

// listing is one run of the command.
type listing struct {
	*session
	command, what, queue string
	which                filter
	limit                limit
	shown                int
}

// entryPage is one page of a DLQ.
type entryPage struct {
	Entries    []json.RawMessage `json:"entries"`
	NextCursor string            `json:"next_cursor"`
	// Total is how many entries are meant; nil where that was not counted.
	Total *int64 `json:"total"`
}

func (l *listing) run(ctx context.Context) error {
	if err := l.limit.check(l.command); err != nil {
		return err
	}
	if err := l.which.check(l.command); err != nil {
		return err
	}
	searching := l.newProgress(l.stderr)
	defer searching.wipe()
	for cursor := ""; ; {
		page, err := l.page(ctx, cursor)
		if err != nil {
			return err
		}
		searching.wipe()
		if err := l.print(page.Entries); err != nil {
			return err
		}
		if page.NextCursor == "" || l.limit.next(l.shown) <= 0 {
			return l.conclude(page)
		}
		if page.NextCursor == cursor {
			return newCircle()
		}
		cursor = page.NextCursor
		if searching.live {
			searching.show("", "searching; "+strconv.Itoa(l.shown)+" found so far")
		}
	}
}

func (l *listing) page(ctx context.Context, cursor string) (entryPage, error) {
	query := l.which.query()
	query.Set("limit", strconv.Itoa(l.limit.next(l.shown)))
	if cursor != "" {
		query.Set("cursor", cursor)
	}
	raw, err := l.client.call(ctx, &request{method: http.MethodGet, path: []string{"queues", l.queue, l.what}, query: query})
	if err != nil {
		return entryPage{}, err
	}
	return decode[entryPage](raw)
}

// entriesRequest is a call about the entries of a DLQ.
func entriesRequest(method, queue string, query url.Values) *request {
	return &request{method: method, path: []string{"queues", queue, "entries"}, query: query}
}

func (l *listing) print(items []json.RawMessage) error {
	first := l.shown == 0
	l.shown += len(items)
	return printPage(l.session, items, first, []string{"ID", "ENTERED", "CORRELATION ID", "ATTEMPTS", "REDRIVES", "ERROR"}, (*entry).row)
}

func (e *entry) row() []string {
	return []string{e.ID, stamp(e.CreatedAt), e.CorrelationID, number(int64(len(e.Attempts))), number(e.Redrives), e.Error.short()}
}

// conclude says how much was not shown.
func (l *listing) conclude(last entryPage) error {
	switch {
	case l.shown == 0:
		return newNothing(l.which.entries(0) + l.place())
	case last.NextCursor != "" && last.Total == nil:
		l.say("%d shown; there may be more%s. -limit or -all shows more", l.shown, l.place())
	case last.NextCursor != "":
		l.say("%d shown; there are %s%s. -limit or -all shows more", l.shown, l.which.entries(*last.Total), l.place())
	}
	return nil
}

// place says where the listed entries are. What was erased stands in the DLQ no more.
func (l *listing) place() string {
	if l.what == listErased {
		return " erased from the DLQ of " + l.queue
	}
	return " in the DLQ of " + l.queue
}
