package management

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/redrive-go/redrive/dlq"
)

// What makes a filter, as parameters and as fields of a body. As a parameter an attribute is "path=value", and there may be several.
const (
	filterIDs           = "ids"
	filterUpTo          = "up_to"
	filterCorrelationID = "correlation_id"
	filterSignature     = "signature"
	filterError         = "error"
	filterText          = "q"
	filterAction        = "action"
	filterAttribute     = "attribute"
	filterAttributes    = "attributes"
	filterJob           = "job"
	filterMinRedrives   = "min_redrives"
	filterMaxRedrives   = "max_redrives"
	filterFrom          = "from"
	filterTo            = "to"
)

// filterParams are the parameters of a filter, filterFields the fields of a body with one.
var (
	filterParams = []string{
		filterIDs, filterUpTo, filterCorrelationID, filterSignature, filterError, filterText, filterAction, filterAttribute,
		filterJob, filterMinRedrives, filterMaxRedrives, filterFrom, filterTo,
	}
	filterFields = []string{
		filterIDs, filterUpTo, filterCorrelationID, filterSignature, filterError, filterText, filterAction, filterAttributes,
		filterJob, filterMinRedrives, filterMaxRedrives, filterFrom, filterTo,
	}
)

// filterOf reads the filter among parameters. Empty ones are none: forms send all of their fields.
func filterOf(params url.Values) (f dlq.Filter, err error) {
	f = dlq.Filter{
		CorrelationID: params.Get(filterCorrelationID), Signature: params.Get(filterSignature), Error: params.Get(filterError),
		Text: params.Get(filterText), Action: params.Get(filterAction), Job: params.Get(filterJob),
	}
	if f.IDs, err = idsOf(params); err != nil {
		return f, err
	}
	if f.UpTo, err = idOf(params, filterUpTo, "an entry"); err != nil {
		return f, err
	}
	for _, pair := range params[filterAttribute] {
		if pair == "" {
			continue
		}
		path, value, ok := strings.Cut(pair, "=")
		if !ok || path == "" {
			return f, newMalformedProblem("Parameter 'attribute' must be a path, '=' and a value")
		}
		if f.Attributes == nil {
			f.Attributes = map[string]string{}
		}
		f.Attributes[path] = value
	}
	if f.MinRedrives, err = numberOf(params, filterMinRedrives); err != nil {
		return f, err
	}
	if f.MaxRedrives, err = numberOf(params, filterMaxRedrives); err != nil {
		return f, err
	}
	if f.From, err = momentOf(params, filterFrom); err != nil {
		return f, err
	}
	f.To, err = momentOf(params, filterTo)
	return f, err
}

// idsOf reads the entries that somebody selected. Whoever means to have selected some, and has not, must not get all of them.
func idsOf(params url.Values) (ids dlq.IDs, err error) {
	for _, text := range params[filterIDs] {
		id, err := strconv.ParseInt(text, 10, 64)
		if err != nil || id < 1 {
			return nil, newMalformedProblem("Parameter 'ids' must be the ids of entries")
		}
		ids = append(ids, id)
	}
	if len(ids) == 0 && params.Has(paramSelected) {
		return nil, newSelectionProblem()
	}
	return ids, nil
}

// idOf is a parameter that bounds ids, 0 where it is not given; 0 itself would mean nothing at all, and is refused.
func idOf(params url.Values, name, of string) (int64, error) {
	text := params.Get(name)
	if text == "" {
		return 0, nil
	}
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id < 1 {
		return 0, newMalformedProblem(fmt.Sprintf("Parameter '%s' must be the id of %s", name, of))
	}
	return id, nil
}

func numberOf(params url.Values, name string) (*int, error) {
	text := params.Get(name)
	if text == "" {
		return nil, nil //nolint:nilnil // none is asked for
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return nil, newMalformedProblem(fmt.Sprintf("Parameter '%s' must be a number from 0", name))
	}
	return &n, nil
}

func momentOf(params url.Values, name string) (time.Time, error) {
	text := params.Get(name)
	if text == "" {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return at, newMalformedProblem(fmt.Sprintf("Parameter '%s' must be a time such as 2006-01-02T15:04:05Z", name))
	}
	return at, nil
}

// filter reads the filter of a call: in a form or body where the call has one, else among its parameters. Whoever must not see
// payloads must not search them either: answers would tell what is in them, bit by bit.
func (c *call) filter() (dlq.Filter, error) {
	f, err := c.readFilter()
	c.row.CorrelationID = plainLine(f.CorrelationID)
	if err == nil && f.ReadsPayloads() && !c.seesPayloads() {
		err = newHiddenProblem("searched: 'q', 'action' and attributes")
	}
	if err == nil {
		c.meant, err = f.Criteria()
	}
	return f, err
}

// asked is which entries an action is about, and whether the call only asks how many those are.
func (c *call) asked() (f dlq.Filter, dry bool, err error) {
	if f, err = c.filter(); err == nil {
		dry, err = c.isDryRun()
	}
	return f, dry, err
}

func (c *call) readFilter() (dlq.Filter, error) {
	switch {
	case c.isAPI() && c.r.Method == http.MethodPost:
		return c.bodyFilter()
	case c.isAPI() || !c.route.changes():
		return filterOf(c.r.URL.Query())
	}
	if err := c.r.ParseForm(); err != nil {
		return dlq.Filter{}, bodyProblem(err)
	}
	return filterOf(c.r.PostForm)
}

// bodyFilter reads the filter among the fields of a body. Its attributes are an object.
func (c *call) bodyFilter() (f dlq.Filter, err error) {
	own := object{}
	for _, name := range filterFields {
		if raw, ok := c.fields[name]; ok {
			own[name] = raw
		}
	}
	text, err := json.Marshal(own)
	if err != nil {
		return f, fmt.Errorf("management: encode a filter: %w", err)
	}
	if f, err = dlq.ParseCriteria(string(text)); err != nil {
		return f, newMalformedProblem("The filter's fields must be texts, 'ids' an array of texts, 'up_to' the text of a number, the redrives numbers, 'from' and 'to' times, " +
			"and 'attributes' an object of texts")
	}
	if _, named := own[filterIDs]; named && len(f.IDs) == 0 {
		return f, newSelectionProblem()
	}
	if _, bounded := own[filterUpTo]; bounded && f.UpTo < 1 {
		return f, newMalformedProblem("Field 'up_to' must be the id of an entry")
	}
	return f, nil
}
