package export_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/export"
)

// document is what an export file holds.
type document struct {
	Queue      string    `json:"queue"`
	ExportedAt time.Time `json:"exported_at"`
	Count      int64     `json:"count"`
	Entries    []struct {
		ID            string          `json:"id"`
		CorrelationID string          `json:"correlation_id"`
		Payload       json.RawMessage `json:"payload"`
		PayloadBase64 *string         `json:"payload_base64"`
		Error         dlq.Failure     `json:"error"`
	} `json:"entries"`
}

var exportedAt = time.Date(2026, 1, 2, 4, 4, 5, 0, time.FixedZone("CET", 3600))

func parse(t *testing.T, b []byte) document {
	t.Helper()
	var d document
	decoder := json.NewDecoder(bytes.NewReader(b))
	require.NoError(t, decoder.Decode(&d))
	_, err := decoder.Token()
	require.ErrorIs(t, err, io.EOF, "one document and no more")
	return d
}

func sequence(entries ...dlq.Entry) iter.Seq2[dlq.Entry, error] {
	return func(yield func(dlq.Entry, error) bool) {
		for _, entry := range entries {
			if !yield(entry, nil) {
				return
			}
		}
	}
}

func generated(n int64) iter.Seq2[dlq.Entry, error] {
	return func(yield func(dlq.Entry, error) bool) {
		for i := range n {
			if !yield(entryNo("events", i+1), nil) {
				return
			}
		}
	}
}

func TestWrite_keepsPayloads(t *testing.T) {
	t.Parallel()
	nested := strings.Repeat("[", 500) + strings.Repeat("]", 500)
	cases := map[string]struct {
		payload string
		json    bool
	}{
		"object":                   {`{"a":1}`, true},
		"whitespace":               {" {\r\n\t\"a\" :  1.0e+2 ,\"b\":[ ] }\n\n", true},
		"number as it was sent":    {`{"n":1.2300e00,"big":123456789012345678901234567890}`, true},
		"duplicate keys":           {`{"a":1,"a":2}`, true},
		"escapes":                  {`{"a":"\u003cscript\u003e\/ \"quoted\" <&>"}`, true},
		"line separators":          {"\"\u2028\u2029\u0085\"", true},
		"scalar":                   {`null`, true},
		"nested":                   {nested, true},
		"empty":                    {``, false},
		"text":                     {`he said "no", and left`, false},
		"two documents":            {`{}{}`, false},
		"closes the document":      {`"}]}`, false},
		"invalid UTF-8":            {"\xff\xfe\x00", false},
		"invalid UTF-8 in a JSON":  {"{\"a\":\"\xff\"}", false},
		"control character in one": {"{\"a\":\"\x01\"}", false},
		"larger than the buffer":   {`"` + strings.Repeat("x", 300_000) + `"`, true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			first, last := entryNo("events", 1), entryNo("events", 2)
			first.Payload = []byte(c.payload)
			written, err := export.Write(&out, "events", exportedAt, 2, sequence(first, last), nil)
			require.NoError(t, err)
			assert.EqualValues(t, 2, written)

			d := parse(t, out.Bytes())
			require.Len(t, d.Entries, 2)
			assert.JSONEq(t, string(last.Payload), string(d.Entries[1].Payload))
			if c.json {
				assert.Contains(t, out.String(), `"payload":`+c.payload+`,"error"`)
				assert.Nil(t, d.Entries[0].PayloadBase64)
				return
			}
			assert.Nil(t, d.Entries[0].Payload)
			require.NotNil(t, d.Entries[0].PayloadBase64)
			raw, err := base64.StdEncoding.DecodeString(*d.Entries[0].PayloadBase64)
			require.NoError(t, err)
			assert.Equal(t, c.payload, string(raw))
		})
	}
}

func TestWrite_document(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	var progress []int64
	hostile := entryNo("events", 7)
	hostile.CorrelationID, hostile.Failure.Message = "a\"b\nc", "</script>\xff"
	hostile.Failure.Stack = "goroutine 1 [running]"
	written, err := export.Write(&out, `ev"ents`, exportedAt, 3,
		sequence(entryNo("events", 1), hostile, entryNo("events", 9)), func(n int64) { progress = append(progress, n) })
	require.NoError(t, err)
	assert.EqualValues(t, 3, written)
	assert.Equal(t, []int64{1, 2, 3}, progress)
	assert.True(t, strings.HasPrefix(out.String(),
		`{"queue":"ev\"ents","exported_at":"2026-01-02T03:04:05Z","count":3,"entries":[{"id":"1",`), out.String())

	d := parse(t, out.Bytes())
	assert.Equal(t, `ev"ents`, d.Queue)
	assert.EqualValues(t, 3, d.Count)
	require.Len(t, d.Entries, 3)
	assert.Equal(t, "7", d.Entries[1].ID)
	assert.Equal(t, hostile.CorrelationID, d.Entries[1].CorrelationID)
	assert.Equal(t, "</script>\uFFFD", d.Entries[1].Error.Message)
	assert.NotContains(t, out.String(), "goroutine")
}

func TestWrite_empty(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	written, err := export.Write(&out, "events", exportedAt, 0, sequence(), nil)
	require.NoError(t, err)
	assert.Zero(t, written)
	assert.Equal(t, `{"queue":"events","exported_at":"2026-01-02T03:04:05Z","count":0,"entries":[]}`, out.String())
}

func TestWriteNDJSON(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	var progress []int64
	spread := entryNo("events", 1)
	spread.Payload = []byte("{\r\n\t\"a\": [\n]}\n")
	count, err := export.WriteNDJSON(&out, "events", 2, sequence(spread, entryNo("events", 2)),
		func(n int64) { progress = append(progress, n) })
	require.NoError(t, err)
	assert.EqualValues(t, 2, count)
	assert.Equal(t, []int64{1, 2}, progress)
	lines := strings.SplitAfter(out.String(), "\n")
	require.Len(t, lines, 3, "two lines, each with its end")
	assert.Contains(t, lines[0], "\"payload\":{  \t\"a\": [ ]} ,\"payload_base64\":\""+
		base64.StdEncoding.EncodeToString(spread.Payload)+"\",\"error\"")
	for _, line := range lines[:2] {
		assert.True(t, json.Valid([]byte(line)))
	}
	assert.NotContains(t, lines[1], "payload_base64")

	out.Reset()
	count, err = export.WriteNDJSON(&out, "events", 0, sequence(), nil)
	require.NoError(t, err)
	assert.Zero(t, count)
	assert.Empty(t, out.String())
	_, err = export.WriteNDJSON(&out, "events", 3, generated(2), nil)
	require.ErrorIs(t, err, export.ErrCount)
	_, err = export.WriteNDJSON(&failAfter{100}, "events", 1000, generated(1000), nil)
	require.ErrorIs(t, err, errFull)
}

// failAfter is a writer on a disk with room for n more bytes.
type failAfter struct{ n int }

var errFull = errors.New("no space left on device")

func (f *failAfter) Write(b []byte) (int, error) {
	if len(b) > f.n {
		return f.n, errFull
	}
	f.n -= len(b)
	return len(b), nil
}

func TestWrite_errors(t *testing.T) {
	t.Parallel()
	broken := func(yield func(dlq.Entry, error) bool) {
		_ = yield(entryNo("events", 1), nil) && yield(dlq.Entry{}, errDown)
	}
	ageless := entryNo("events", 2)
	ageless.CreatedAt = time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)
	cases := map[string]struct {
		to      io.Writer
		count   int64
		entries iter.Seq2[dlq.Entry, error]
		written int64
		want    error
		text    string
	}{
		"fewer than announced": {io.Discard, 3, generated(2), 2, export.ErrCount, "2 of 3"},
		"more than announced":  {io.Discard, 2, generated(3), 2, export.ErrCount, "more than 2"},
		"none of one":          {io.Discard, 1, generated(0), 0, export.ErrCount, "0 of 1"},
		"source fails":         {io.Discard, 2, broken, 1, errDown, "read entries"},
		"cannot be encoded":    {io.Discard, 1, sequence(ageless), 0, nil, "encode entry 2"},
		"full at once":         {&failAfter{0}, 1, generated(1), 1, errFull, "write events"},
		"full on the way":      {&failAfter{100_000}, 1000, generated(1000), -1, errFull, "write events"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			written, err := export.Write(c.to, "events", exportedAt, c.count, c.entries, nil)
			require.ErrorContains(t, err, c.text)
			if c.want != nil {
				require.ErrorIs(t, err, c.want)
			}
			if c.written >= 0 {
				assert.Equal(t, c.written, written)
			} else {
				assert.Less(t, written, c.count)
			}
		})
	}
}

// liveBytes is how much memory is in use after a collection.
func liveBytes() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc) //nolint:gosec // no heap has 2^63 bytes
}

// This one is not parallel: it looks at the memory of the whole process.
func TestWrite_constantMemory(t *testing.T) { //nolint:paralleltest // see above
	const count = 200_000
	before, peak := liveBytes(), int64(0)
	size := &failAfter{1 << 40}
	entry := entryNo("events", 1)
	entries := func(yield func(dlq.Entry, error) bool) {
		for entry.ID = 1; entry.ID <= count; entry.ID++ {
			entry.Payload = []byte(`{"customer":"c1","data":{"points":1}}`) // new memory each time
			if !yield(entry, nil) {
				return
			}
		}
	}
	written, err := export.Write(size, "events", exportedAt, count, entries, func(n int64) {
		if n%20_000 == 0 {
			peak = max(peak, liveBytes()-before)
		}
	})
	require.NoError(t, err)
	assert.EqualValues(t, count, written)
	assert.Greater(t, 1<<40-size.n, 50<<20, "enough was written to tell")
	assert.Less(t, peak, int64(1<<20), "bytes held on the way")
}
