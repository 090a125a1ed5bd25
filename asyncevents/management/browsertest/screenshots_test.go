package browsertest

import (
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"

	"github.com/redrive-go/redrive/asyncevents/management"
)

// looks are how a page is looked at.
var looks = map[string]chromedp.Action{
	"light": look(1280, 900, "light"),
	"dark":  look(1280, 900, "dark"),
	"phone": look(390, 844, "light"),
	"small": look(320, 640, "dark"),
	"wide":  look(2560, 1300, "light"),
}

func look(width, height int64, scheme string) chromedp.Action {
	return chromedp.Tasks{
		chromedp.EmulateViewport(width, height),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}),
	}
}

// allPages are the pages of a site, by the name of their picture.
var allPages = map[string]string{
	"overview": "", "events": "queues/events", "callbacks": "queues/callbacks", "filtered": "queues/events?error=account&count=1",
	"erased": "queues/events/erased", "jobs": "queues/events/jobs", "exports": "exports", "settings": "settings", "audit": "audit",
	"event": "events?correlation_id=order-05",
}

// TestScreenshots keeps a picture of each page in an incident, as it is looked at: none scrolls sideways, and its colours follow the
// reader's.
func TestScreenshots(t *testing.T) {
	t.Parallel()
	s := newSite(t, setup{incident: true})
	s.fill()
	tb := open(t, s, "/manage/", true)
	tb.run(emulation.SetTimezoneOverride("Asia/Tokyo"))
	tb.visit("queues/events?error=account+5+is&count=1")
	tb.fill("confirm", "1")
	tb.click("Erase these", "The entries were erased.")
	tb.visit("settings")
	tb.fill("batch_size", "8")
	tb.fill("cooldown_minutes", "60")
	tb.click("Save", "The settings were saved.")
	tb.visit("queues/events")
	tb.click("Export all", "The export was started.")
	tb.visit("queues/events")
	tb.click("Start a retry job for all entries", "The retry job was started.")
	tb.until("cooling_down")
	tb.visit("")
	tb.sees("Alarm: the Callbacks DLQ holds 15 entries, more than 5.")
	paths := map[string]string{"entry": "queues/events/entries/21", "callback": "queues/callbacks/entries/22", "edit": "queues/events/entries/21/edit"}
	for name, path := range allPages {
		paths[name] = path
	}
	tb.run(chromedp.KeyEvent("?"), chromedp.WaitVisible("#keys", chromedp.ByQuery))
	tb.shoot("keys")
	grounds := map[string]bool{}
	for look, set := range looks {
		tb.run(set)
		for name, path := range paths {
			tb.visit(path)
			tb.shows(name + "-" + look)
		}
		var ground string
		tb.run(evaluate("getComputedStyle(document.body).backgroundColor", &ground))
		grounds[ground] = true
	}
	assert.Len(t, grounds, 2, "light and dark")
}

// TestEmptyStates keeps a picture of each page where nothing has happened yet, and finds that it says what belongs there.
func TestEmptyStates(t *testing.T) {
	t.Parallel()
	s := newSite(t, setup{})
	tb := open(t, s, "/manage/", true)
	for name, says := range map[string]string{
		"overview": "Nothing is to be done here. What failed for the last time will be listed.", "events": "This dead-letter queue is empty.",
		"callbacks": "This dead-letter queue is empty.", "filtered": "Nothing here is meant by this filter.",
		"erased": "Nothing that was erased is kept.", "jobs": "No retry job has run yet.", "exports": "There are no exports.",
		"settings": "Batch size", "audit": "Nothing was done yet.", "event": "Nothing is known of order-05",
	} {
		tb.visit(allPages[name])
		tb.sees(says)
		tb.shows("empty-" + name)
	}
}

// TestViewersOnlyLook keeps a picture of each page as somebody sees it who may only look: nothing is offered, and payloads are hidden.
func TestViewersOnlyLook(t *testing.T) {
	t.Parallel()
	s := newSite(t, setup{rights: []management.Action{management.ActionView}})
	s.fill()
	tb := open(t, s, "/manage/", true)
	for name, path := range allPages {
		tb.visit(path)
		var offered int
		tb.run(evaluate(`document.querySelectorAll("main form[method=post] button, main button[formmethod=post], main input[type=checkbox]").length`,
			&offered))
		assert.Zero(t, offered, name)
		assert.NotContains(t, tb.text(), "point_add", name)
		tb.shows("viewer-" + name)
	}
}

// shows keeps a picture of a page, which must not scroll sideways.
func (tb *tab) shows(name string) {
	tb.t.Helper()
	var wide bool
	tb.run(evaluate("document.documentElement.scrollWidth > innerWidth", &wide))
	assert.False(tb.t, wide, "%s: the page scrolls sideways", name)
	tb.shoot(name)
}
