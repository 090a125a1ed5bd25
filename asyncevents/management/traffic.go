package management

import (
	"net/http"
	"time"

	"github.com/redrive-go/redrive/asyncevents"
)

var trafficRoutes = routes{
	{method: http.MethodGet, pattern: "api/queues/{queue}/traffic", action: ActionView, params: []string{filterFrom}, serve: listTraffic},
	{method: http.MethodGet, pattern: "api/alarms", action: ActionView, serve: listAlarms},
}

// trafficList is the minutes of a queue, the oldest first.
type trafficList struct {
	Minutes []asyncevents.Traffic `json:"minutes"`
}

func listTraffic(c *call) (answer, error) {
	from, err := momentOf(c.r.URL.Query(), filterFrom)
	if err != nil {
		return nil, err
	}
	minutes, err := c.traffic(c.r.Context(), c.queue, from)
	return jsonAnswer{http.StatusOK, trafficList{append([]asyncevents.Traffic{}, minutes...)}}, err
}

// alarmList is the alarms that hold.
type alarmList struct {
	Alarms []alarmStatus `json:"alarms"`
}

// alarmStatus is an alarm that holds.
type alarmStatus struct {
	Queue string                `json:"queue"`
	Kind  asyncevents.AlarmKind `json:"kind"`
	Value float64               `json:"value"`
	Limit float64               `json:"limit"`
	At    time.Time             `json:"at"`
}

func listAlarms(c *call) (answer, error) {
	list := alarmList{Alarms: []alarmStatus{}}
	for _, a := range c.alarms() {
		list.Alarms = append(list.Alarms, alarmStatus{a.Queue, a.Kind, a.Value, a.Limit, a.At})
	}
	return jsonAnswer{http.StatusOK, list}, nil
}
