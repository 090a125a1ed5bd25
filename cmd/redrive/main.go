// Command redrive is the command line for operators: it looks into the dead-letter queues of a running service and empties
// them, over the service's management API.
//
//	export REDRIVE_URL=http://127.0.0.1:8080/manage REDRIVE_TOKEN=…
//	go run ./cmd/redrive queues
//	go run ./cmd/redrive errors events
//	go run ./cmd/redrive job start events -error timeout -from 2h
//	go run ./cmd/redrive job watch events
//
// "redrive help" lists the commands, the environment and the exit codes, "redrive help COMMAND" the flags of one.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// From the first signal on they have their usual effect again: the second one ends the process at once.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Getenv))
}
