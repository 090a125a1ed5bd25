package management

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"time"
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
	"tree":       newTree,
	"words":      words,
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
	// Can says which buttons to show.
	Can permissions
	// Body is the page's own data.
	Body any
}

// permissions are what the sender may do besides looking.
type permissions struct{ Retry, Edit, Erase, Export, Download, Configure bool }

func (c *call) permissions() permissions {
	can := permissions{Retry: c.may(ActionRetry), Erase: c.may(ActionErase), Export: c.may(ActionExport),
		Configure: c.may(ActionConfigure)}
	can.Edit = can.Retry && c.may(ActionEdit) && c.seesPayloads()
	can.Download = can.Export && c.seesPayloads()
	return can
}

func (c *call) page(status int, name, title string, body any) answer {
	view := pageView{Product: c.cfg.Title, Title: title, Root: c.place.root, Style: styleSheet.name, Script: script.name, Icon: icon.name,
		Queues: queueNames, Queue: c.row.Queue, Page: name, Actor: c.row.Actor, Body: body}
	if f, ok := flashes[c.r.URL.Query().Get(paramFlash)]; ok {
		view.Flash = &f
	}
	if status == http.StatusOK {
		view.Can = c.permissions()
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

// words is a code such as "cooling_down" for people.
func words(code any) string { return strings.ReplaceAll(fmt.Sprint(code), "_", " ") }
