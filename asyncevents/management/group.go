package management

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/redrive-go/redrive/dlq"
)

var groupRoutes = routes{
	{method: http.MethodGet, pattern: "api/queues/{queue}/errors", action: ActionView, params: []string{paramLimit}, serve: listGroups},
}

// groupList is the causes of the failures in a DLQ, those with most entries first.
type groupList []dlq.Group

// groupHead is a group as it is shown, without its sample.
type groupHead struct {
	Signature string    `json:"signature"`
	Error     errorHead `json:"error"`
	Count     int64     `json:"count"`
	FirstSeen time.Time `json:"first_seen"`
	LastSeen  time.Time `json:"last_seen"`
}

// errorHead is what the failures of a group have in common.
type errorHead struct {
	Type    string `json:"type"`
	Message string `json:"message"`
}

func (l groupList) appendJSON(dst []byte) ([]byte, error) {
	dst = append(dst, `{"errors":[`...)
	for i, g := range l {
		if i > 0 {
			dst = append(dst, ',')
		}
		head, err := json.Marshal(groupHead{g.Signature, errorHead{g.Type, g.Message}, g.Count, g.FirstSeen.UTC(), g.LastSeen.UTC()})
		if err != nil {
			return dst, err
		}
		dst = append(append(dst, head[:len(head)-1]...), `,"sample":`...)
		if dst, err = g.Sample.AppendJSON(dst); err != nil {
			return dst, err
		}
		dst = append(dst, '}')
	}
	return append(dst, "]}"...), nil
}

func listGroups(c *call) (answer, error) {
	limit, err := c.limit()
	if err != nil {
		return nil, err
	}
	groups, err := c.dlq.Groups(c.r.Context(), c.queue, limit)
	for i := range groups {
		groups[i].Sample = c.shown(groups[i].Sample)[0]
	}
	return jsonAnswer{http.StatusOK, groupList(groups)}, err
}
