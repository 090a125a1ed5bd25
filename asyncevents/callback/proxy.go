package callback

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strconv"
)

// proxy is what connections go through but for those along the routes; nothing, without Config.Proxy.
type proxy struct {
	url    *url.URL
	routes routes
}

// newProxy reads Config.Proxy. Its errors are read after the field's name, and hold nothing of the proxy's user.
func newProxy(configured *url.URL, routes routes) (proxy, error) {
	p := proxy{routes: routes}
	if configured == nil {
		return p, nil
	}
	if configured.Scheme != "http" && configured.Scheme != "https" || configured.Hostname() == "" {
		return p, errors.New("must be an absolute http or https URL")
	}
	host, _, err := parseHost(configured.Hostname())
	if err != nil {
		return p, errors.New("must have a plain host")
	}
	port, err := parsePort(configured)
	if err != nil {
		return p, errors.New("must have a port of 1 to 65535")
	}
	p.url = &url.URL{
		Scheme: configured.Scheme, User: configured.User, Host: net.JoinHostPort(host, strconv.Itoa(int(port))),
	}
	return p, nil
}

// of returns the proxy of a request, as net/http asks for it.
func (p proxy) of(request *http.Request) (*url.URL, error) {
	if p.url == nil {
		return nil, nil
	}
	t, err := parseTarget(request.URL.String())
	if err != nil || p.routes.cover(t) {
		return nil, err
	}
	return p.url, nil
}

// dial returns what connects to the proxy, whose address the host has chosen, and otherwise as the routes do. Where there is
// a proxy nothing else is dialled, so no receiver can be taken for it.
func (p proxy) dial(guarded *net.Dialer) dialFunc {
	others := p.routes.dial(guarded)
	if p.url == nil {
		return others
	}
	direct := &net.Dialer{Timeout: guarded.Timeout}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if address == p.url.Host {
			return direct.DialContext(ctx, network, address)
		}
		return others(ctx, network, address)
	}
}
