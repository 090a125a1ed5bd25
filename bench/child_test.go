package bench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/sqlite"
	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/export"
)

// Memory is measured in a process of its own, which does one thing with a database that stands already.
const (
	childTask = "REDRIVE_BENCH_TASK"
	childFile = "REDRIVE_BENCH_FILE"
)

func TestMain(m *testing.M) {
	tasks := map[string]func(path string) error{"export": exportAlone, "consume": consumeAWhile}
	if task, ok := tasks[os.Getenv(childTask)]; ok {
		if err := task(os.Getenv(childFile)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(highWaterMark())
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// inChild runs a task and returns the most memory that its process ever had resident, in MiB.
func inChild(b *testing.B, task, path string) float64 {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childTask+"="+task, childFile+"="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	must(b, err)
	kib, err := strconv.ParseFloat(string(out[:len(out)-1]), 64)
	must(b, err)
	return kib / 1024
}

// highWaterMark is the peak resident size of this process in KiB, see proc_pid_status(5).
func highWaterMark() string {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return "0"
	}
	match := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status)
	if match == nil {
		return "0"
	}
	return string(match[1])
}

func exportAlone(path string) error {
	backend, err := sqlite.Open(context.Background(), path, nil)
	if err != nil {
		return err
	}
	defer backend.Close()
	folder, err := export.NewFolder(filepath.Join(filepath.Dir(path), "exports"))
	if err != nil {
		return err
	}
	_, err = exportOnce(backend, folder)
	return err
}

// exportOnce exports the Events DLQ and returns how long that took.
func exportOnce(backend *asyncevents.Backend, folder export.Storage) (time.Duration, error) {
	exporter, err := export.NewExporter(backend.Exports, backend.DeadLetters, folder, nil)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- exporter.Run(ctx) }()
	started := time.Now()
	record, err := exporter.Start(ctx, asyncevents.EventsQueue, "bench")
	for err == nil && record.State == export.StateRunning {
		time.Sleep(5 * time.Millisecond)
		record, err = exporter.Get(ctx, record.ID)
	}
	took := time.Since(started)
	cancel()
	if stop := <-ended; err == nil {
		err = stop
	}
	if err == nil && record.State != export.StateCompleted {
		err = fmt.Errorf("export %s: %s", record.State, record.Error)
	}
	return took, err
}

// consumeAWhile keeps 500 events in flight for some seconds.
func consumeAWhile(path string) error {
	backend, err := sqlite.Open(context.Background(), path, nil)
	if err != nil {
		return err
	}
	defer backend.Close()
	folder, err := export.NewFolder(filepath.Join(filepath.Dir(path), "exports"))
	if err != nil {
		return err
	}
	service, err := asyncevents.New(backend, func(context.Context, asyncevents.Event) (any, error) {
		time.Sleep(5 * time.Millisecond)
		return nil, nil
	}, &asyncevents.Config{Concurrency: 500, Exports: folder, Logger: quiet})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return service.Run(ctx)
}

// entries is how many events wait or dead letters stand in the large cases: BENCH_ENTRIES, or a million.
func entries() int {
	if n, err := strconv.Atoi(os.Getenv("BENCH_ENTRIES")); err == nil && n > 0 {
		return n
	}
	return 1_000_000
}

// manager is a Manager that is quiet.
func manager(backend *asyncevents.Backend) *dlq.Manager {
	return dlq.NewManager(backend.DeadLetters, quiet)
}
