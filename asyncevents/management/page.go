package management

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/redrive-go/redrive/asyncevents"
)

//go:embed templates
var templateFiles embed.FS

// pages are the templates of every page, each with the layout around it.
var pages = parsePages("front", "queue", "erased", "jobs", "entry", "edit", "event", "exports", "settings", "audit", "problem")

func parsePages(names ...string) map[string]*template.Template {
	parsed := make(map[string]*template.Template, len(names))
	for _, name := range names {
		page := template.New("layout.html").Funcs(pageFuncs)
		parsed[name] = template.Must(page.ParseFS(templateFiles, "templates/layout.html", "templates/"+name+".html"))
	}
	return parsed
}

// pageFuncs are what templates call.
var pageFuncs = template.FuncMap{
	"clock":      clockText,
	"machine":    func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"payload":    newPayloadView,
	"preview":    newPayloadPreview,
	"excerpt":    excerpt,
	"queueTitle": queueTitle,
	"words":      words,
	"number":     func(n any) string { return number(reflect.ValueOf(n).Int()) },
	"ago":        agoText,
	"alarm":      alarmText,
}

// pageAnswer is a page ready to be rendered.
type pageAnswer struct {
	status int
	name   string
	view   pageView
}

// pageView is what every page's template gets.
type pageView struct {
	// Product is the name on every page, Title the page's own.
	Product, Title string
	// Root is the relative URL of the mount point.
	Root string
	// Style, Script and Icon are the names of the assets.
	Style, Script, Icon string
	// Queues are all DLQs, for the navigation; Queue is the page's.
	Queues []string
	Queue  string
	// Page is the template's name, by which the navigation knows where it is.
	Page string
	// Actor is who looks at it.
	Actor string
	// Flash is what the form before did; nil for none.
	Flash *flash
	// Can says which buttons to show, and ReadOnly that there are none.
	Can      permissions
	ReadOnly bool
	// Body is the page's own data.
	Body any
}

// permissions are what the sender may do besides looking.
type permissions struct {
	Retry, Edit, Erase, Export, Download, Configure bool
	// ImportDLQ and ImportQueue are imports into a DLQ and into its main queue.
	ImportDLQ, ImportQueue bool
}

func (c *call) permissions() permissions {
	can := permissions{Retry: c.may(ActionRetry), Erase: c.may(ActionErase), Export: c.may(ActionExport),
		Configure: c.may(ActionConfigure)}
	edits := c.may(ActionEdit)
	can.Edit = can.Retry && edits && c.seesPayloads()
	can.ImportDLQ, can.ImportQueue = can.Export && edits, can.Retry && edits
	can.Download = can.Export && c.seesPayloads()
	return can
}

func (c *call) page(status int, name, title string, body any) answer {
	view := pageView{Product: c.cfg.Title, Title: title, Root: c.place.root, Style: styleSheet.name, Script: script.name, Icon: icon.name,
		Queues: queueNames, Queue: c.row.Queue, Page: name, Actor: c.row.Actor, Body: body}
	view.Flash = flashOf(c.r.URL.Query())
	if status == http.StatusOK {
		view.Can = c.permissions()
		view.ReadOnly = view.Can == permissions{}
	}
	return pageAnswer{status, name, view}
}

// write renders into memory first, so that a page that cannot be rendered is an error and not half a page.
func (a pageAnswer) write(c *call) {
	var page bytes.Buffer
	if err := pages[a.name].Execute(&page, a.view); err != nil {
		c.cfg.Logger.ErrorContext(c.r.Context(), "management: page could not be rendered", "page", a.name, "error", err)
		http.Error(c.w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	c.writeBytes(a.status, "text/html; charset=utf-8", page.Bytes())
}

// clockText is a time for people, in UTC.
func clockText(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// agoText is how long ago a time was, in one unit: for people in a hurry.
func agoText(t time.Time) string {
	switch d := time.Since(t); {
	case d < time.Minute:
		return "less than a minute ago"
	case d < 2*time.Hour:
		return strconv.Itoa(int(d.Minutes())) + " min ago"
	case d < 48*time.Hour:
		return strconv.Itoa(int(d.Hours())) + " hours ago"
	default:
		return strconv.Itoa(int(d.Hours()/24)) + " days ago"
	}
}

// excerptSize is how many bytes of an error text a list shows.
const excerptSize = 240

// excerpt is the beginning of an error text.
func excerpt(s string) string {
	if end := wholeRunes(s, excerptSize); end < len(s) {
		return s[:end] + "…"
	}
	return s
}

// queueTitle is a DLQ's name for people.
func queueTitle(queue string) string {
	if queue == "" {
		return ""
	}
	return strings.ToUpper(queue[:1]) + queue[1:] + " DLQ"
}

// number is a count for people, with a comma every three digits.
func number(n int64) string {
	digits := strconv.FormatInt(n, 10)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// alarmText says what is wrong, and what it is compared with.
func alarmText(a asyncevents.Alarm) string {
	value, limit := number(int64(a.Value)), number(int64(a.Limit))
	switch a.Kind {
	case asyncevents.AlarmDepth:
		return "holds " + value + " entries, more than " + limit
	case asyncevents.AlarmAge:
		return "has an entry that is " + ageText(a.Value) + " old, older than " + ageText(a.Limit)
	case asyncevents.AlarmGrowth:
		return "grows by " + value + " entries a minute, more than " + limit
	case asyncevents.AlarmUnknown:
		return "cannot be looked into: " + value + " looks in a row failed"
	}
	return "has the alarm " + string(a.Kind) + ": " + value + ", more than " + limit
}

func ageText(seconds float64) string {
	return time.Duration(seconds * float64(time.Second)).Round(time.Second).String()
}

// words is a code such as "cooling_down" for people.
func words(code any) string { return strings.ReplaceAll(fmt.Sprint(code), "_", " ") }
