package management

import (
	"net/http"
	"slices"
	"strings"
)

// route is one method at one path below the mount point.
type route struct {
	method string
	// pattern is the path; {queue} and {id} stand for any segment.
	pattern string
	// action is what the Authorizer is asked for.
	action Action
	// also is a second action that is needed as well; "" for none.
	also Action
	// audit is what the audit log calls it. All routes that change something have one, and of the others those that
	// hand out a file.
	audit string
	// params are the parameters that an API call knows.
	params []string
	// fields are the fields of the body that an API call knows. All are optional here.
	fields []string
	// largest is how large the body may be, in bytes; 0 means maxBody.
	largest int64
	// streams is whether the body is a file, which serve reads as it comes, up to Config.MaxImportBytes.
	streams bool
	// serve does what the route is for. What it returns is written after the audit row.
	serve func(*call) (answer, error)
	// back is the page that a form leads back to, and done the flash that it shows when all went well.
	back, done string
}

// changes is whether the route changes something.
func (r *route) changes() bool { return r.method != http.MethodGet }

// match returns the variables of a path that the route takes.
func (r *route) match(segments []string) (vars map[string]string, ok bool) {
	pattern := splitPath(r.pattern)
	if len(pattern) != len(segments) {
		return nil, false
	}
	vars = make(map[string]string)
	for i, want := range pattern {
		if strings.HasPrefix(want, "{") {
			vars[strings.Trim(want, "{}")] = segments[i]
		} else if want != segments[i] {
			return nil, false
		}
	}
	return vars, true
}

// routes is every route of a handler.
type routes []*route

// find returns the route that takes a request and the variables of its path; or, when only other methods are known
// there, those.
func (rs routes) find(method string, segments []string) (found *route, vars map[string]string, allow []string) {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	for _, r := range rs {
		vars, ok := r.match(segments)
		if !ok {
			continue
		}
		if r.method == method {
			return r, vars, nil
		}
		allow = append(allow, r.method)
	}
	if slices.Contains(allow, http.MethodGet) {
		allow = append(allow, http.MethodHead)
	}
	return nil, nil, allow
}

// allRoutes lists every route. The forms of the pages are served by what serves the API.
func allRoutes() routes {
	return slices.Concat(frontRoutes, queueRoutes, entryRoutes, editRoutes, erasedRoutes, eventRoutes, groupRoutes, jobRoutes, exportRoutes,
		importRoutes, settingsRoutes, auditRoutes, trafficRoutes, liveRoutes, assetRoutes)
}
