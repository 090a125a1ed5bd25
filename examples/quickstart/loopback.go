package main

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// isLoopback is whether a host, as it stands in an address or a URL, is this machine alone.
func isLoopback(host string) bool {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.Unmap().IsLoopback()
}

// loopbackOnly refuses requests that were sent to another name than this machine's own. What is open on loopback is open
// to every program here, browsers included: a site from outside can let its own name lead to 127.0.0.1 (DNS rebinding),
// and then only the Host header tells its requests from those of the user.
func loopbackOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if !isLoopback(host) {
			http.Error(w, "Without -manage-token the management is open to this machine's own names only, such as localhost.",
				http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}
