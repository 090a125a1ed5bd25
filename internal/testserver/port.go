package testserver

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
)

// Ports are taken from below the range from which systems give ports to outgoing connections. Otherwise the port of a
// server that was killed could be given away before it starts again, even to a client that connects to that very port
// and so, by the rules of TCP, to itself.
const (
	lowestPort = 16000
	ports      = 16000
)

// errNoPort is returned when no port was found free.
var errNoPort = errors.New("no free port")

// freePort returns a port of 127.0.0.1 on which nobody listens.
func freePort() (int, error) {
	for range 200 {
		port := lowestPort + rand.IntN(ports) //nolint:gosec // nothing depends on this being hard to guess
		if !taken(port) {
			return port, nil
		}
	}
	return 0, errNoPort
}

// taken tells whether a port cannot be listened on.
func taken(port int) bool {
	l, err := net.Listen("tcp", address(port)) //nolint:noctx // listening waits for nothing
	if err != nil {
		return true
	}
	return l.Close() != nil
}

// address is the port on the only interface that servers of tests listen on.
func address(port int) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}
