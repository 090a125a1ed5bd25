package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/redrive-go/redrive/asyncevents"
)

// What needs a process of its own (memory that is measured, a second process on one database) runs in a child: this
// binary again, told by its environment which task to do on which backend, and by lines on its standard input when.
const (
	childTask  = "REDRIVE_BENCH_TASK"
	childKind  = "REDRIVE_BENCH_KIND"
	childPlace = "REDRIVE_BENCH_PLACE"
)

var tasks = map[string]func(*asyncevents.Backend) error{
	"export": exportAlone, "consume": consumeAWhile, "accept": acceptOnDemand, "work": workUntilTold,
}

func TestMain(m *testing.M) {
	if task, ok := tasks[os.Getenv(childTask)]; ok {
		if err := runTask(task); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func runTask(task func(*asyncevents.Backend) error) error {
	at := slices.IndexFunc(backends, func(k kind) bool { return k.name == os.Getenv(childKind) })
	if at < 0 {
		return fmt.Errorf("no backend %q", os.Getenv(childKind))
	}
	backend, err := backends[at].open(context.Background(), os.Getenv(childPlace))
	if err != nil {
		return err
	}
	return errors.Join(task(backend), backend.Close())
}

// A child is a process that does a task.
type child struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	answers *bufio.Scanner
}

func startChild(tb testing.TB, task string, k kind, place string) *child {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childTask+"="+task, childKind+"="+k.name, childPlace+"="+place)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	must(tb, err)
	out, err := cmd.StdoutPipe()
	must(tb, err)
	must(tb, cmd.Start())
	return &child{cmd, in, bufio.NewScanner(out)}
}

// tell sends a line to the child.
func (c *child) tell(tb testing.TB) {
	_, err := io.WriteString(c.in, "\n")
	must(tb, err)
}

// number is the next line of the child's answers.
func (c *child) number(tb testing.TB) float64 {
	if !c.answers.Scan() {
		tb.Fatal("the child ended without a word")
	}
	n, err := strconv.ParseFloat(c.answers.Text(), 64)
	must(tb, err)
	return n
}

// end closes the child's input, which is the end of every task, and waits for it.
func (c *child) end(tb testing.TB) {
	must(tb, c.in.Close())
	must(tb, c.cmd.Wait())
}

// onLines runs do for every line of a child's input.
func onLines(do func() error) error {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if err := do(); err != nil {
			return err
		}
	}
	return lines.Err()
}

// withService gives a service, which does not run, to what a task does with it.
func withService(
	backend *asyncevents.Backend, p asyncevents.Processor, cfg asyncevents.Config, do func(*asyncevents.Service) error,
) error {
	dir, err := makeFolder()
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s, err := buildService(backend, dir, p, cfg)
	if err != nil {
		return err
	}
	return do(s)
}

// runWhile runs a service until meanwhile returns.
func runWhile(s *asyncevents.Service, meanwhile func() error) error {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	err := meanwhile()
	cancel()
	return errors.Join(err, <-ended)
}

// exportAlone prints how many seconds an export took and the memory that it needed.
func exportAlone(backend *asyncevents.Backend) error {
	dir, err := makeFolder()
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	took, err := exportOnce(backend, dir)
	if err != nil {
		return err
	}
	fmt.Printf("%f\n%f\n", took.Seconds(), peakMiB())
	return nil
}

// consumeAWhile keeps 500 events in flight for some seconds and prints the memory that it needed.
func consumeAWhile(backend *asyncevents.Backend) error {
	processor := func(context.Context, asyncevents.Event) (any, error) {
		time.Sleep(5 * time.Millisecond)
		return nil, nil
	}
	err := withService(backend, processor, asyncevents.Config{Concurrency: 500}, func(s *asyncevents.Service) error {
		return runWhile(s, func() error {
			time.Sleep(10 * time.Second)
			return nil
		})
	})
	fmt.Printf("%f\n", peakMiB())
	return err
}

// peakMiB is the most memory that this process ever had resident, see proc_pid_status(5); 0 where that is unknown.
func peakMiB() float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	match := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status)
	if match == nil {
		return 0
	}
	kib, err := strconv.ParseFloat(string(match[1]), 64)
	if err != nil {
		return 0
	}
	return kib / 1024
}
