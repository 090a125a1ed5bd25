package browsertest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/chromedp/chromedp"
)

// chromium is the context of the one browser that all tests open their tabs in; nil where there is none. downloads is the folder of what
// it downloads.
var (
	chromium  context.Context
	downloads string
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	path, err := findChromium()
	if err != nil && os.Getenv("REDRIVE_TEST_REQUIRE") != "" {
		fmt.Fprintln(os.Stderr, "browsertest:", err)
		return 1
	}
	if err == nil {
		options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.WindowSize(1280, 900))
		if os.Getuid() == 0 { // as which Chromium has no sandbox
			options = append(options, chromedp.NoSandbox)
		}
		allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
		defer stop()
		started, cancel := chromedp.NewContext(allocator)
		defer cancel()
		if err := chromedp.Run(started); err != nil {
			fmt.Fprintln(os.Stderr, "browsertest: start of", path, "failed:", err)
			return 1
		}
		chromium = started
		if downloads, err = os.MkdirTemp("", "redrive-downloads-"); err != nil {
			fmt.Fprintln(os.Stderr, "browsertest:", err)
			return 1
		}
		defer func() { _ = os.RemoveAll(downloads) }()
	}
	return m.Run()
}

func findChromium() (path string, err error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err = exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", err
}
