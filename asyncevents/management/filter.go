package management

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/redrive-go/redrive/dlq"
)

// Parameters that make a filter. An attribute is "path=value"; there may be several.
const (
	filterCorrelationID = "correlation_id"
	filterSignature     = "signature"
	filterError         = "error"
	filterText          = "q"
	filterAction        = "action"
	filterAttribute     = "attribute"
	filterFrom          = "from"
	filterTo            = "to"
)

// filterParams are the parameters of a filter.
var filterParams = []string{
	filterCorrelationID, filterSignature, filterError, filterText, filterAction, filterAttribute, filterFrom, filterTo,
}

// filterOf reads the filter among parameters. Empty ones are none: forms send all of their fields.
func filterOf(params url.Values) (f dlq.Filter, err error) {
	f = dlq.Filter{
		CorrelationID: params.Get(filterCorrelationID), Signature: params.Get(filterSignature), Error: params.Get(filterError),
		Text: params.Get(filterText), Action: params.Get(filterAction),
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
	if f.From, err = momentOf(params, filterFrom); err != nil {
		return f, err
	}
	f.To, err = momentOf(params, filterTo)
	return f, err
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

// inputFilter reads the filter of a page's form, or among the parameters of an API call.
func (c *call) inputFilter() (dlq.Filter, error) {
	if c.isAPI() {
		return filterOf(c.r.URL.Query())
	}
	if err := c.r.ParseForm(); err != nil {
		return dlq.Filter{}, bodyProblem(err)
	}
	return filterOf(c.r.PostForm)
}
