package amqp

import (
	"bytes"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWireSendsTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe() // a write to it waits for a read
		w := newWire(near, callPatience)
		var sent []byte
		for i := range byte(200) {
			n, err := w.Write([]byte{i})
			require.NoError(t, err)
			assert.Equal(t, 1, n)
			sent = append(sent, i)
			synctest.Wait() // the first one is under way
		}
		first, rest := make([]byte, 1000), make([]byte, 1000)
		n, err := far.Read(first)
		require.NoError(t, err)
		m, err := far.Read(rest)
		require.NoError(t, err)
		assert.Equal(t, sent, append(first[:n], rest[:m]...), "what gathers during one write is sent with the next one")
		require.NoError(t, w.Close())
		require.NoError(t, far.Close())
	})
}

func TestWireClosesWhenAllIsSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		w := newWire(near, callPatience)
		for range 3 {
			_, err := w.Write([]byte("abc"))
			require.NoError(t, err)
		}
		read := make(chan []byte, 1)
		go func() {
			all, _ := io.ReadAll(far) // a pipe that is closed is at its end
			read <- all
		}()
		require.NoError(t, w.Close())
		assert.Equal(t, "abcabcabc", string(<-read))
	})
}

func TestWireToNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		w := newWire(near, callPatience)
		began := time.Now()
		var err error
		block := bytes.Repeat([]byte("x"), 4<<20)
		for range 3 {
			_, err = w.Write(block)
			require.NoError(t, err)
		}
		assert.Zero(t, time.Since(began), "no write waits")
		time.Sleep(callPatience)
		synctest.Wait()
		_, err = w.Write(block)
		require.ErrorContains(t, err, "does not read")
		_, err = near.Read(make([]byte, 1))
		require.Error(t, err, "the connection is closed")
		require.NoError(t, w.Close(), "nothing is waited for")
		require.NoError(t, far.Close())
	})
}

func TestWireClosesInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		w := newWire(near, callPatience)
		_, err := w.Write([]byte("nobody reads it"))
		require.NoError(t, err)
		began := time.Now()
		require.NoError(t, w.Close())
		assert.Equal(t, time.Second, time.Since(began))
		require.NoError(t, far.Close())
	})
}
