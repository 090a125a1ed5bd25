package amqp

import (
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"time"
)

const (
	// wireSpare is the largest buffer in bytes that is kept to be used again.
	wireSpare = 1 << 20
	// wirePiece is how many bytes are written at once.
	wirePiece = 64 << 10
)

// wire is a connection whose writes are sent together: amqp091-go makes a system call of each message and of each
// acknowledgement, which costs more than all the rest of it. While one is under way the next ones gather, so a lone write
// waits for nothing. No write ever waits, so that who publishes leaves in time: what may be on its way is limited where it comes
// from, by the room of a lane and by what a consumer has ahead.
type wire struct {
	net.Conn
	patience time.Duration // how long a piece may take to leave before the connection is given up: the broker has stopped reading

	mu      sync.Mutex
	idle    sync.Cond // signalled when nothing is left to send or the wire broke
	buffer  []byte
	spare   []byte
	sending bool
	broken  error
}

func newWire(conn net.Conn, patience time.Duration) *wire {
	w := &wire{Conn: conn, patience: patience}
	w.idle.L = &w.mu
	return w
}

// Write takes p to be sent. An error of the sending comes with a later Write, or from Read when the connection is closed
// for it.
func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broken != nil {
		return 0, w.broken
	}
	w.buffer = append(w.buffer, p...)
	if !w.sending {
		w.sending = true
		go w.send()
	}
	return len(p), nil
}

// send writes what has gathered until nothing has.
func (w *wire) send() {
	for {
		out := w.take()
		if len(out) == 0 {
			return
		}
		if err := w.sendAll(out); err != nil {
			w.fail(err)
			return
		}
		w.keep(out)
	}
}

// take returns what has gathered. With nothing the caller is done.
func (w *wire) take() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := w.buffer
	w.buffer, w.spare = w.spare, nil
	if w.sending = len(out) > 0; !w.sending {
		w.idle.Broadcast()
	}
	return out
}

// keep has a buffer used again.
func (w *wire) keep(out []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if cap(out) <= wireSpare {
		w.spare = out[:0]
	}
}

// sendAll writes in pieces, so that a slow connection is not taken for one that stands still.
func (w *wire) sendAll(out []byte) error {
	for piece := range slices.Chunk(out, wirePiece) {
		if err := w.SetWriteDeadline(time.Now().Add(w.patience)); err != nil {
			return err
		}
		if _, err := w.Conn.Write(piece); err != nil {
			if os.IsTimeout(err) {
				err = fmt.Errorf("the broker does not read: %w", err)
			}
			return err
		}
	}
	return nil
}

// fail breaks the wire: who reads from it has to learn that what was written did not leave.
func (w *wire) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken = err
	w.idle.Broadcast()
	_ = w.Conn.Close() // err is what went wrong
}

// Close sends what has gathered, unless that takes long, and closes the connection.
func (w *wire) Close() error {
	w.drain(time.Second)
	return w.Conn.Close()
}

// drain waits until everything was sent, at most for a while.
func (w *wire) drain(patience time.Duration) {
	late := false
	timer := time.AfterFunc(patience, func() {
		w.mu.Lock()
		late = true
		w.mu.Unlock()
		w.idle.Broadcast()
	})
	defer timer.Stop()
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.sending && w.broken == nil && !late {
		w.idle.Wait()
	}
}
