// Command withservers runs a command, usually go test, with the servers that tests need, and takes them down after it.
//
//	withservers [-compose compose.yaml] -- go test ./...
//
// For each kind of server it takes the first of these that works, and says on stderr which one that is:
//
//  1. a server that the environment names: REDRIVE_TEST_POSTGRES, REDRIVE_TEST_MYSQL, REDRIVE_TEST_AMQP;
//  2. a private one from installed programs, on a free port of 127.0.0.1, in a temporary folder;
//  3. Docker Compose, if an engine answers;
//  4. a private one from Debian packages, installed as root or by a sudo that asks for no password.
//
// The command finds the servers in the same variables. Without a server its tests are skipped, unless
// REDRIVE_TEST_REQUIRE=1: then withservers fails without running the command. It also installs what single tests need beside
// a server, such as pgbouncer.
//
// It exits as the command does, with 128 and the number of the signal if one ended it. Signals go to the command and all
// that it started. What withservers started ends with it, even when it is killed (on Linux; containers stay then).
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/redrive-go/redrive/internal/testserver"
)

func main() {
	file := flag.String("compose", "compose.yaml", "the `file` for Docker Compose")
	flag.Usage = func() {
		_, _ = fmt.Fprintln(flag.CommandLine.Output(), "usage: withservers [-compose file] -- command [argument ...]")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() == 0 {
		flag.Usage()
		os.Exit(2)
	}
	r := &runner{
		sources:  &machine{compose: *file, out: os.Stderr},
		kinds:    testserver.Kinds(),
		required: testserver.Required(),
		out:      os.Stderr,
	}
	os.Exit(r.run(flag.Args()))
}
