package main

import (
	"fmt"
	"io"
	"strings"
)

// progress shows how something goes on: on a terminal one line that changes, elsewhere a line for each step.
type progress struct {
	w     io.Writer
	notes io.Writer
	live  bool
	width int
	// step is the one last shown elsewhere, open whether a line of the terminal is.
	step string
	open bool
}

func (s *session) newProgress(w io.Writer) *progress {
	return &progress{w: w, notes: s.stderr, live: isTerminal(w), width: s.width()}
}

// clearLine begins the terminal's line again.
const clearLine = "\r\x1b[K"

// show shows a line. Elsewhere than on a terminal it is left out when the step was shown already.
func (p *progress) show(step, line string) {
	switch {
	case p.live:
		_, _ = io.WriteString(p.w, clearLine+cut(plain(line), max(p.width-1, 1)))
		p.open = true
	case step != p.step:
		_, _ = fmt.Fprintln(p.w, plain(line))
		p.step = step
	}
}

// note says something that stays.
func (p *progress) note(format string, values ...any) {
	if p.open {
		_, _ = io.WriteString(p.w, clearLine)
		p.open = false
	}
	_, _ = fmt.Fprintln(p.notes, plain(fmt.Sprintf(format, values...)))
}

// end leaves the line as it is and goes on below.
func (p *progress) end() {
	if p.open {
		_, _ = fmt.Fprintln(p.w)
		p.open = false
	}
}

// wipe takes the line away.
func (p *progress) wipe() {
	if p.open {
		_, _ = io.WriteString(p.w, clearLine)
		p.open = false
	}
}

// barWidth is how many characters a bar has between its brackets.
const barWidth = 10

// bar draws how much is done. Nothing to do is all done.
func bar(done, total int64) string {
	filled := barWidth
	if total > 0 {
		filled = int(min(max(float64(done)/float64(total), 0), 1) * barWidth)
	}
	return "[" + strings.Repeat("#", filled) + strings.Repeat("-", barWidth-filled) + "]"
}
