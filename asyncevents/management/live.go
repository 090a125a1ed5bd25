package management

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"time"
)

var liveRoutes = routes{
	{method: http.MethodGet, pattern: "live", action: ActionView, serve: watchLive},
}

// How often a page that is open is told how the DLQs stand, and for how long at a stretch. The browser comes back for more by
// itself, is asked anew for its rights then, and meanwhile does not hold up the shutdown of the host's server.
const (
	liveTick = time.Second
	liveSpan = 4 * time.Second
)

// eventStream is the type of server-sent events.
const eventStream = "text/event-stream"

// liveAnswer is server-sent events: how the DLQs stand, as HTML that takes the place of the same parts of a page. Whoever does not
// ask for a stream gets the first event alone.
type liveAnswer struct{ first string }

func watchLive(c *call) (answer, error) {
	first, err := c.livePart()
	return liveAnswer{first}, err
}

// livePart is what moves on the pages, as it is now.
func (c *call) livePart() (string, error) { return c.sampler.look(c.r.Context(), c.renderLive) }

func (h *handler) renderLive(ctx context.Context) (string, error) {
	now, err := h.standing(ctx)
	if err != nil {
		return "", err
	}
	var part bytes.Buffer
	err = pages["front"].ExecuteTemplate(&part, "live", now)
	return part.String(), err
}

func (a liveAnswer) write(c *call) {
	c.w.Header().Set("Content-Type", eventStream)
	c.w.WriteHeader(http.StatusOK)
	if !c.sendEvent(a.first) || !strings.Contains(c.r.Header.Get("Accept"), eventStream) {
		return
	}
	ticks := time.NewTicker(liveTick)
	defer ticks.Stop()
	end := time.After(liveSpan)
	for sent := a.first; ; {
		select {
		case <-c.r.Context().Done():
			return
		case <-end:
			return
		case <-ticks.C:
		}
		part, err := c.livePart()
		if err != nil { // the next request answers with it
			return
		}
		if part != sent && !c.sendEvent(part) {
			return
		}
		sent = part
	}
}

// sendEvent is false when the client is gone. Where the server limits how long an answer may take, the limit moves on with each event,
// so far that also the end of the answer comes through.
func (c *call) sendEvent(part string) bool {
	control := http.NewResponseController(c.w)
	if err := control.SetWriteDeadline(time.Now().Add(2 * liveSpan)); err != nil {
		c.cfg.Logger.DebugContext(c.r.Context(), "management: no deadline for events", "error", err)
	}
	event := "retry: 500\ndata: " + strings.ReplaceAll(strings.TrimSpace(part), "\n", "\ndata: ") + "\n\n"
	if _, err := c.w.Write([]byte(event)); err != nil {
		return false
	}
	return control.Flush() == nil
}
