package management

import (
	"errors"
	"net/http"

	"github.com/redrive-go/redrive/asyncevents"
)

// maxBody is the largest request body that is no file, in bytes: the API takes a few numbers at most.
const maxBody = 64 << 10

// Errors of Handler.
var (
	errNoService    = errors.New("management: a service is required")
	errNoAuthorizer = errors.New("management: an authorizer is required")
)

// Handler returns the management API and the web pages of a service. It is an error to leave out the service or
// the authorizer, and for cfg not to be valid.
func Handler(service *asyncevents.Service, authorize Authorizer, cfg *Config) (http.Handler, error) {
	if service == nil {
		return nil, errNoService
	}
	return newHandler(newCore(service), authorize, cfg)
}

// handler serves API and pages over a core.
type handler struct {
	*core
	authorize Authorizer
	cfg       *Config
	mount     mount
	routes    routes
	origins   *http.CrossOriginProtection
	sampler   *sampler
}

func newHandler(c *core, authorize Authorizer, cfg *Config) (*handler, error) {
	if authorize == nil {
		return nil, errNoAuthorizer
	}
	cfg = cfg.withDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	h := &handler{core: c, authorize: authorize, cfg: cfg, origins: http.NewCrossOriginProtection(), sampler: newSampler()}
	h.mount, h.routes = newMount(cfg.Base), allRoutes()
	return h, nil
}

// ServeHTTP answers one request. It is safe for concurrent use.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	setSecurityHeaders(w.Header())
	c := h.newCall(w, r)
	r.Body = http.MaxBytesReader(w, r.Body, c.bodyLimit())
	answer, err := h.decide(c)
	if err != nil {
		answer = c.refuse(err)
	}
	answer.write(c)
}

// decide finds out what to answer. A request that is audited leaves its row before it is answered.
func (h *handler) decide(c *call) (answer, error) {
	if c.route == nil {
		return nil, h.decideUnrouted(c)
	}
	answer, err := h.attempt(c)
	if c.route.changes() {
		h.sampler.expire()
	}
	if c.audited() {
		h.record(c, err)
	}
	if _, stays := answer.(pageAnswer); err == nil && !stays && c.route.back != "" {
		return c.leadBack(c.route.done), nil
	}
	return answer, err
}

// decideUnrouted refuses a request that no route takes. Strangers do not learn which paths there are.
func (h *handler) decideUnrouted(c *call) error {
	if err := h.admit(c, ActionView); err != nil {
		return err
	}
	if len(c.allow) > 0 {
		return newMethodProblem(c.allow)
	}
	return newPathProblem()
}

// attempt serves the request of a route if it is allowed.
func (h *handler) attempt(c *call) (answer, error) {
	if err := h.admit(c, c.action()); err != nil {
		return nil, err
	}
	if c.route.also != "" {
		if err := h.admit(c, c.route.also); err != nil {
			return nil, err
		}
	}
	if err := h.origins.Check(c.r); err != nil {
		return nil, newCrossOriginProblem()
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	return c.route.serve(c)
}

// admit asks the Authorizer and notes the actor.
func (h *handler) admit(c *call, action Action) error {
	actor, err := h.authorize.ask(c.r, action)
	c.row.Actor = actor
	if err == nil {
		return nil
	}
	c.row.Detail = err.Error()
	if errors.Is(err, errPanicked) {
		h.cfg.Logger.ErrorContext(c.r.Context(), "management: authorizer panicked", "action", action, "error", err)
	}
	if challenge, ok := errors.AsType[*ChallengeError](err); ok {
		for _, value := range challenge.Challenges {
			c.w.Header().Add("WWW-Authenticate", value)
		}
		return newUnauthorizedProblem()
	}
	return newForbiddenProblem()
}

// setSecurityHeaders sets what every answer carries, whatever it is.
func setSecurityHeaders(header http.Header) {
	header.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "+
		"img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
	header.Set("X-Frame-Options", "DENY")
	header.Set("X-Content-Type-Options", "nosniff")
	// Not no-referrer: under it browsers send "Origin: null" with forms, which fails the cross-origin check.
	header.Set("Referrer-Policy", "same-origin")
	header.Set("Cache-Control", "no-store")
}
