package management

import (
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
)

// mount finds out where below the handler's mount point a request stands.
type mount struct {
	// base is the segments of the configured prefix.
	base []string
	// detect is whether to read the prefix from the request's pattern instead.
	detect bool
}

func newMount(base string) mount {
	return mount{base: splitPath(base), detect: base == ""}
}

// place is where a request stands below the mount point.
type place struct {
	// segments are the unescaped segments of the path; none for the mount point itself.
	segments []string
	// root is the relative URL of the mount point, such as "../../", seen from the request's own URL.
	root string
	// slashed is the relative URL of the mount point when it was asked for without the trailing slash that relative
	// links need; else "".
	slashed string
}

// place returns where the request stands.
func (m mount) place(r *http.Request) place {
	escaped, original := r.URL.EscapedPath(), originalPath(r)
	rest := strings.TrimPrefix(m.strip(r, escaped, original), "/")
	if rest == "" && !strings.HasSuffix(original, "/") {
		return place{root: "./" + path.Base(original) + "/", slashed: "./" + path.Base(original) + "/"}
	}
	root := "./"
	if depth := strings.Count(rest, "/"); depth > 0 {
		root = strings.Repeat("../", depth)
	}
	return place{segments: splitPath(rest), root: root}
}

// strip returns the path without the prefix under which the handler is mounted.
func (m mount) strip(r *http.Request, escaped, original string) string {
	prefix := m.base
	if m.detect {
		prefix = patternPrefix(r.Pattern)
		// A mount point may be called like a page of ours, and stripped before the request came here.
		if rest, ok := cutSegments(original, prefix); ok && len(prefix) > 0 && sameBelow(rest, escaped) {
			return escaped
		}
	}
	rest, ok := cutSegments(escaped, prefix)
	if !ok {
		return escaped
	}
	return rest
}

// originalPath is the escaped path that the client asked for, before any middleware stripped from it.
func originalPath(r *http.Request) string {
	if u, err := url.ParseRequestURI(r.RequestURI); err == nil {
		return u.EscapedPath()
	}
	return r.URL.EscapedPath()
}

// patternPrefix is the segments of a router's pattern up to its final wildcard.
func patternPrefix(pattern string) []string {
	slash := strings.IndexByte(pattern, '/')
	if slash < 0 {
		return nil
	}
	segments := splitPath(pattern[slash:])
	if n := len(segments); n > 0 {
		last := segments[n-1]
		if last == "*" || last == "{$}" || strings.HasSuffix(last, "...}") {
			segments = segments[:n-1]
		}
	}
	return segments
}

// cutSegments returns what follows the prefix in an escaped path; false if the path does not begin with it. A
// segment of the prefix in braces stands for any one.
func cutSegments(escaped string, prefix []string) (rest string, ok bool) {
	rest = escaped
	for _, want := range prefix {
		segment, after, found := strings.Cut(strings.TrimPrefix(rest, "/"), "/")
		if segment == "" || unescape(segment) != want && !strings.HasPrefix(want, "{") {
			return escaped, false
		}
		if rest = after; found {
			rest = "/" + after
		}
	}
	return rest, true
}

// sameBelow is whether two paths are the same but for a leading slash.
func sameBelow(a, b string) bool {
	return strings.TrimPrefix(a, "/") == strings.TrimPrefix(b, "/")
}

// splitPath returns the unescaped segments of a path. One slash at either end does not count.
func splitPath(escaped string) []string {
	trimmed := strings.TrimSuffix(strings.TrimPrefix(escaped, "/"), "/")
	if trimmed == "" {
		return nil
	}
	return slices.Collect(func(yield func(string) bool) {
		for segment := range strings.SplitSeq(trimmed, "/") {
			if !yield(unescape(segment)) {
				return
			}
		}
	})
}

// unescape decodes one segment; one that cannot be decoded stays as it is, and matches nothing.
func unescape(segment string) string {
	if plain, err := url.PathUnescape(segment); err == nil {
		return plain
	}
	return segment
}
