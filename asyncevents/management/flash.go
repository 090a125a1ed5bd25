package management

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// flash is the one line about what a form did, on the page that it leads back to.
type flash struct {
	Text string
	Bad  bool
	// Counted is whether Text has a place for a number.
	Counted bool
}

// The flashes of forms that went well.
const (
	flashRetried       = "retried"
	flashJobStarted    = "job-started"
	flashJobStopping   = "job-stopping"
	flashJobPaused     = "job-paused"
	flashJobResumed    = "job-resumed"
	flashErased        = "erased"
	flashRestored      = "restored"
	flashExportStarted = "export-started"
	flashExportDeleted = "export-deleted"
	flashSettingsSaved = "settings-saved"
	flashImported      = "imported"
)

// flashes are all there are: the URL carries a code, so that nobody can put words into a page's mouth with a link.
var flashes = map[string]flash{
	flashRetried:       {Text: "The entry was moved back and waits for its next attempt."},
	flashJobStarted:    {Text: "The retry job was started."},
	flashJobStopping:   {Text: "The retry job stops after its present batch."},
	flashJobPaused:     {Text: "The retry job pauses after its present step, until it is resumed."},
	flashJobResumed:    {Text: "The retry job goes on."},
	flashErased:        {Text: "The entries were erased."},
	flashRestored:      {Text: "The entries are back in the DLQ."},
	flashExportStarted: {Text: "The export was started. Its file will be on the exports page."},
	flashExportDeleted: {Text: "The export was deleted."},
	flashSettingsSaved: {Text: "The settings were saved."},
	flashImported:      {Counted: true, Text: "Imported entries: %s. Those that were there already were skipped."},

	strconv.Itoa(CodeNothingSelected): {Bad: true, Text: "No entry is selected: tick some first. Nothing was done."},
	strconv.Itoa(CodeEntryNotFound):   {Bad: true, Text: "The entry is not in this DLQ any more. Nothing was moved."},
	strconv.Itoa(CodeJobNotFound):     {Bad: true, Text: "No retry job is running."},
	strconv.Itoa(CodeJobRunning):      {Bad: true, Text: "A retry job is already running."},
	strconv.Itoa(CodeJobNotPaused):    {Bad: true, Text: "The retry job is not paused."},
	strconv.Itoa(CodeCountDiffers): {Bad: true,
		Text: "The number that was typed is not the present number of entries. Nothing was erased."},
	strconv.Itoa(CodeExportNotFound): {Bad: true, Text: "The export is not there any more."},
}

// flashOf is the flash that a URL asks for; nil for none.
func flashOf(params url.Values) *flash {
	f, known := flashes[params.Get(paramFlash)]
	if !known {
		return nil
	}
	if f.Counted {
		n, err := strconv.ParseInt(params.Get(paramFlashCount), 10, 64)
		if err != nil {
			return nil
		}
		f.Text = fmt.Sprintf(f.Text, number(n))
	}
	return &f
}

// leadBack leads a browser from a form to the page where it shows the flash of that code, under the filter that was set there. What was
// selected and is done is not selected any more, and what was bounded by an id, so that it was the set that was shown, is shown anew.
func (c *call) leadBack(code string) answer {
	page := strings.ReplaceAll(c.route.back, "{queue}", url.PathEscape(c.queue))
	params := url.Values{paramFlash: {code}}
	if flashes[code].Counted {
		params.Set(paramFlashCount, strconv.FormatInt(c.row.Count, 10))
	}
	if err := c.r.ParseForm(); err == nil {
		for _, name := range filterParams {
			if name == filterIDs && code == c.route.done || name == filterUpTo {
				continue
			}
			for _, value := range c.r.PostForm[name] {
				params.Add(name, value)
			}
		}
	}
	return redirectAnswer{http.StatusSeeOther, c.place.root + page + "?" + params.Encode()}
}
