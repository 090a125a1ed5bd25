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
	// wireBuffer is how many bytes may wait to be written. Whoever writes more waits.
	wireBuffer = 1 << 20
	// wirePiece is how many bytes are written at once.
	wirePiece = 64 << 10
	// wirePatience is how long a piece may take to leave before the connection is given up: the broker has stopped reading.
	wirePatience = 5 * time.Second
)

// wire is a connection whose writes are sent together: amqp091-go makes a system call of each message and of each
// acknowledgement, which costs more than all the rest of it. While one is under way the next ones gather, so a lone write
// waits for nothing.
type wire struct {
	net.Conn

	mu      sync.Mutex
	room    sync.Cond // signalled when buffer was taken or the wire broke
	buffer  []byte
	spare   []byte
	sending bool
	broken  error
}

func newWire(conn net.Conn) *wire {
	w := &wire{Conn: conn}
	w.room.L = &w.mu
	return w
}

// Write takes p to be sent. An error of the sending comes with a later Write, or from Read when the connection is closed
// for it.
func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.buffer) > 0 && len(w.buffer)+len(p) > wireBuffer {
		w.awaitRoom(len(p))
	}
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

// awaitRoom waits until n bytes have room, or the wire is broken. The caller holds the lock.
func (w *wire) awaitRoom(n int) {
	for w.broken == nil && len(w.buffer) > 0 && len(w.buffer)+n > wireBuffer {
		w.room.Wait()
	}
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
		w.mu.Lock()
		w.spare = out[:0]
		w.mu.Unlock()
	}
}

// take returns what has gathered. With nothing the caller is done.
func (w *wire) take() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := w.buffer
	w.buffer, w.spare = w.spare, nil
	w.sending = len(out) > 0
	w.room.Broadcast()
	return out
}

// sendAll writes in pieces, so that a slow connection is not taken for one that stands still.
func (w *wire) sendAll(out []byte) error {
	for piece := range slices.Chunk(out, wirePiece) {
		if err := w.SetWriteDeadline(time.Now().Add(wirePatience)); err != nil {
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
	w.room.Broadcast()
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
		w.room.Broadcast()
	})
	defer timer.Stop()
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.sending && w.broken == nil && !late {
		w.room.Wait()
	}
}
