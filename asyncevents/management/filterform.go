package management

import (
	"net/url"
	"slices"
)

// filterField is one field of the form that filters a queue's page.
type filterField struct {
	// Name is the parameter, Value what was asked for.
	Name, Value string
	// Label and Example are for whoever fills it in.
	Label, Example string
	// Hidden is whether it is kept and not shown: nobody fills it in by hand.
	Hidden bool
}

// filterForm is the fields that everybody gets, payloadForm those that search payloads.
var (
	filterForm = []filterField{
		{Name: filterIDs, Label: "Selected entry", Example: "its id", Hidden: true},
		{Name: filterCorrelationID, Label: "Correlation ID"},
		{Name: filterError, Label: "Error", Example: "part of its text"},
		{Name: filterSignature, Label: "Cause", Example: "signature of a cause"},
		{Name: filterJob, Label: "Came back after retry job", Example: "id of the job"},
		{Name: filterMinRedrives, Label: "Redrives, at least", Example: "0"},
		{Name: filterMaxRedrives, Label: "Redrives, at most", Example: "2"},
		{Name: filterFrom, Label: "Created from, UTC", Example: "2006-01-02T15:04:05Z"},
		{Name: filterTo, Label: "Created before, UTC", Example: "2006-01-02T15:04:05Z"},
		{Name: filterUpTo, Label: "ID, at most", Example: "17"},
	}
	payloadForm = []filterField{
		{Name: filterText, Label: "Any text", Example: "in payload or error"},
		{Name: filterAction, Label: "Action"},
		{Name: filterAttribute, Label: "Attribute", Example: "data.tier=gold"},
	}
)

// filterFields returns the form as it was filled in. It offers no search of payloads to whoever may not see them. What
// can be asked for more than once has as many fields as it was, so that none is lost on the next page.
func (c *call) filterFields() []filterField {
	offered := filterForm
	if c.seesPayloads() {
		offered = append(offered[:len(offered):len(offered)], payloadForm...)
	}
	query := c.r.URL.Query()
	var fields []filterField
	for _, field := range offered {
		values := query[field.Name]
		if single := field.Name != filterAttribute && field.Name != filterIDs; single || len(values) == 0 {
			values = []string{query.Get(field.Name)}
		}
		for _, value := range values {
			field.Value = value
			fields = append(fields, field)
		}
	}
	return fields
}

// filterView is the form as it was filled in, on the page that it filters.
type filterView struct {
	// Page is the page's relative URL.
	Page   string
	Fields []filterField
	// Filtered is whether anything is filled in, Selected how many entries were selected.
	Filtered bool
	Selected int
}

// filterView is the filter of the page at that path below the mount point.
func (c *call) filterView(page string) filterView {
	fields := c.filterFields()
	return filterView{
		Page: c.place.root + page, Fields: fields, Selected: len(c.r.URL.Query()[filterIDs]),
		Filtered: slices.ContainsFunc(fields, func(f filterField) bool { return f.Value != "" }),
	}
}

// Kept is the filled in fields, which forms beside the filter send along.
func (v filterView) Kept() []filterField {
	return slices.DeleteFunc(slices.Clone(v.Fields), func(f filterField) bool { return f.Value == "" })
}

// with returns the page's relative URL under the same filter, with other parameters.
func (v filterView) with(params url.Values) string {
	for _, field := range v.Kept() {
		params.Add(field.Name, field.Value)
	}
	return v.Page + "?" + params.Encode()
}

// CountURL asks for how many entries the filter means.
func (v filterView) CountURL() string { return v.with(url.Values{paramCount: {"1"}}) }

// nextPage returns the relative URL of the page at the cursor, under the same filter; "" where there is none.
func (c *call) nextPage(view filterView, cursor string) string {
	if cursor == "" {
		return ""
	}
	params := url.Values{paramCursor: {cursor}}
	if limit := c.r.URL.Query().Get(paramLimit); limit != "" {
		params.Set(paramLimit, limit)
	}
	return view.with(params)
}
