package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

type event struct {
	Action, Package, Test, Output string
}

type key struct{ pkg, test string }

// tally is what became of the tests.
type tally struct {
	out    io.Writer
	counts map[string]int
	// strange is how many were skipped for a reason that is not known.
	strange int
}

// count tells of all tests, and whether they are as they should be.
func count(from io.Reader, to io.Writer) (good bool) {
	t := &tally{out: to, counts: map[string]int{}}
	output := map[key][]string{}
	in := bufio.NewScanner(from)
	in.Buffer(nil, 16<<20)
	for in.Scan() {
		var e event
		if json.Unmarshal(in.Bytes(), &e) != nil {
			fmt.Fprintln(to, in.Text()) // make and the compiler speak plainly
			continue
		}
		k := key{e.Package, e.Test}
		switch e.Action {
		case "output":
			output[k] = append(output[k], e.Output)
		case "pass", "fail", "skip":
			t.tell(e, output[k])
			delete(output, k)
		}
	}
	fmt.Fprintf(to, "%d passed, %d failed, %d skipped, %d of them for no known reason\n",
		t.counts["pass"], t.counts["fail"], t.counts["skip"], t.strange)
	return in.Err() == nil && t.counts["fail"] == 0 && t.counts["pass"] > 0 && t.strange == 0
}

// tell counts a test, and prints one that failed or was skipped, and the line of each package.
func (t *tally) tell(e event, output []string) {
	if e.Test == "" {
		fmt.Fprintf(t.out, "%-5s %s\n", e.Action, e.Package)
		if e.Action == "fail" {
			t.counts["fail"]++
			fmt.Fprint(t.out, strings.Join(output, ""))
		}
		return
	}
	t.counts[e.Action]++
	if e.Action == "skip" && !known(output) {
		t.strange++
	}
	if e.Action != "pass" {
		fmt.Fprintf(t.out, "%s: %s %s\n%s", e.Action, e.Package, e.Test, strings.Join(output, ""))
	}
}
