package management

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redrive-go/redrive/asyncevents"
)

// The chart's own coordinates: a step to the right is two minutes. The style sheet stretches it to the width that there is.
const (
	chartSpan   = asyncevents.TrafficKept
	chartWidth  = 720
	chartHeight = 100
	// chartGap is for how long nothing may have been noted for the line to go on: beyond it nobody was there to look.
	chartGap = 5 * time.Minute
)

// chart is the depth of a DLQ over the last day, as a drawing and in words.
type chart struct {
	// Line is the outline and Ground the area below it, as the data of SVG paths. Grid is a line every six hours.
	Line, Ground, Grid string
	// Top is the largest depth, which the chart is as high as.
	Top int64
	// From and To are where it begins and ends.
	From, To time.Time
	// Words say the same.
	Words string
}

// newChart draws the minutes of a queue, the oldest first, up to now. It is nil when nothing was noted: there is nothing to see then.
func newChart(queue string, minutes []asyncevents.Traffic, depth int64, now time.Time) *chart {
	if len(minutes) == 0 {
		return nil
	}
	minutes = append(minutes[:len(minutes):len(minutes)], asyncevents.Traffic{At: now, Depth: depth})
	c := &chart{From: now.Add(-chartSpan), To: now}
	var highest asyncevents.Traffic
	for _, m := range minutes {
		if m.Depth > c.Top {
			c.Top, highest = m.Depth, m
		}
	}
	c.draw(minutes)
	first := minutes[0]
	c.Words = fmt.Sprintf("%s over the last 24 hours: %s at %s", queueTitle(queue), number(first.Depth), clockText(first.At))
	if c.Top > 0 {
		c.Words += fmt.Sprintf(", at most %s at %s", number(c.Top), clockText(highest.At))
	}
	c.Words += ", and " + number(depth) + " now."
	return c
}

// draw makes the paths. Of the minutes that share a place the highest is drawn, so that no peak is lost.
func (c *chart) draw(minutes []asyncevents.Traffic) {
	c.Grid = fmt.Sprintf("M%d 0V%d", chartWidth/4, chartHeight) + fmt.Sprintf("M%d 0V%d", chartWidth/2, chartHeight) +
		fmt.Sprintf("M%d 0V%d", chartWidth*3/4, chartHeight)
	var line, ground strings.Builder
	var last time.Time
	x, top := -1, int64(0)
	flush := func() {
		if x >= 0 {
			at := strconv.Itoa(x) + " " + strconv.Itoa(c.y(top))
			line.WriteString("L" + at)
			ground.WriteString("L" + at)
		}
	}
	for _, m := range minutes {
		at := c.x(m.At)
		switch {
		case last.IsZero() || m.At.Sub(last) > chartGap:
			flush()
			if !last.IsZero() {
				fmt.Fprintf(&ground, "V%dZ", chartHeight)
			}
			fmt.Fprintf(&line, "M%d %d", at, c.y(m.Depth))
			fmt.Fprintf(&ground, "M%d %d", at, chartHeight)
			x, top = at, m.Depth
		case at != x:
			flush()
			x, top = at, m.Depth
		default:
			top = max(top, m.Depth)
		}
		last = m.At
	}
	flush()
	fmt.Fprintf(&ground, "V%dZ", chartHeight)
	c.Line, c.Ground = line.String(), ground.String()
}

func (c *chart) x(at time.Time) int {
	return int(max(0, at.Sub(c.From)) * chartWidth / chartSpan)
}

// y is lower for what is higher, and leaves room for the line itself.
func (c *chart) y(depth int64) int {
	if c.Top == 0 {
		return chartHeight
	}
	return chartHeight - int(float64(depth)/float64(c.Top)*(chartHeight-4))
}
