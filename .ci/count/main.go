// Command count reads the output of go test -json, prints what failed or was skipped, and closes with the counts.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

type event struct {
	Action, Package, Test, Output string
}

type key struct{ pkg, test string }

func main() {
	output := map[key][]string{}
	counts := map[string]int{}
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 16<<20)
	for in.Scan() {
		var e event
		if json.Unmarshal(in.Bytes(), &e) != nil {
			fmt.Println(in.Text()) // make and the compiler speak plainly
			continue
		}
		k := key{e.Package, e.Test}
		switch e.Action {
		case "output":
			output[k] = append(output[k], e.Output)
		case "pass", "fail", "skip":
			tell(e, output[k], counts)
			delete(output, k)
		}
	}
	fmt.Printf("%d passed, %d failed, %d skipped\n", counts["pass"], counts["fail"], counts["skip"])
	if in.Err() != nil || counts["fail"] > 0 || counts["pass"] == 0 {
		os.Exit(1)
	}
}

// tell counts a test, and prints one that failed or was skipped, and the line of each package.
func tell(e event, output []string, counts map[string]int) {
	if e.Test == "" {
		fmt.Printf("%-5s %s\n", e.Action, e.Package)
		if e.Action == "fail" {
			counts["fail"]++
			fmt.Print(strings.Join(output, ""))
		}
		return
	}
	counts[e.Action]++
	if e.Action != "pass" {
		fmt.Printf("%s: %s %s\n%s", e.Action, e.Package, e.Test, strings.Join(output, ""))
	}
}
