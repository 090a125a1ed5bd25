package management

import (
	"context"
	"net/http"
	"time"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/export"
)

var frontRoutes = routes{
	{method: http.MethodGet, pattern: "", action: ActionView, serve: frontPage},
}

const (
	// frontGroups is how many causes of each queue the overview lists.
	frontGroups = 3
	// frontRecent is for how long back the overview counts what went through a queue.
	frontRecent = 5 * time.Minute
)

// frontView is every DLQ, each with its past and why most of its entries are there.
type frontView struct {
	standing
	Cards []frontCard
}

// frontCard is what the overview says of one DLQ.
type frontCard struct {
	queueStanding
	Chart  *chart
	Groups []dlq.Group
}

func frontPage(c *call) (answer, error) {
	if c.place.slashed != "" {
		return redirectAnswer{http.StatusTemporaryRedirect, c.place.slashed}, nil
	}
	ctx := c.r.Context()
	now, err := c.standing(ctx)
	if err != nil {
		return nil, err
	}
	view := frontView{standing: now}
	for _, queue := range now.Queues {
		card := frontCard{queueStanding: queue}
		if card.Groups, err = c.dlq.Groups(ctx, queue.Queue, frontGroups); err != nil {
			return nil, err
		}
		minutes, err := c.traffic(ctx, queue.Queue, time.Now().Add(-chartSpan))
		if err != nil {
			return nil, err
		}
		card.Chart = newChart(queue.Queue, minutes, queue.Depth, time.Now().UTC())
		view.Cards = append(view.Cards, card)
	}
	return c.page(http.StatusOK, "front", "Dead-letter queues", view), nil
}

// standing is how everything stands at one moment: what moves on open pages.
type standing struct {
	Alarms  []asyncevents.Alarm
	Queues  []queueStanding
	Running []export.Record
}

// queueStanding is how a DLQ stands, and what went through its queue lately.
type queueStanding struct {
	queueStatus
	Recent recent
}

// recent is what went through a queue within the last minutes.
type recent struct {
	asyncevents.Traffic
	// Known is whether anything was noted: where no replica runs, or nothing keeps it, nobody knows.
	Known bool
}

// Minutes is for how long back it is.
func (recent) Minutes() int { return int(frontRecent / time.Minute) }

func (h *handler) standing(ctx context.Context) (s standing, err error) {
	s.Alarms = h.alarms()
	list, err := h.queueList(ctx)
	if err != nil {
		return s, err
	}
	for _, status := range list.Queues {
		queue := queueStanding{queueStatus: status}
		if queue.Recent, err = h.recent(ctx, status.Queue); err != nil {
			return s, err
		}
		s.Queues = append(s.Queues, queue)
	}
	s.Running, err = h.running(ctx, "")
	return s, err
}

// recent adds up the last minutes.
func (h *handler) recent(ctx context.Context, queue string) (r recent, err error) {
	minutes, err := h.traffic(ctx, queue, time.Now().Add(-frontRecent))
	for _, m := range minutes {
		r.Known = true
		r.Accepted += m.Accepted
		r.Done += m.Done
		r.Again += m.Again
		r.Dead += m.Dead
	}
	return r, err
}

// maxRunning is how many of the newest exports are looked at for those that are still being written.
const maxRunning = 100

// running is the exports of a DLQ that are being written; of all where queue is "".
func (h *handler) running(ctx context.Context, queue string) (running []export.Record, err error) {
	records, err := h.exports.List(ctx, queue, maxRunning)
	for _, r := range records {
		if r.State == export.StateRunning {
			running = append(running, r)
		}
	}
	return running, err
}
