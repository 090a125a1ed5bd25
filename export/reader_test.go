package export_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/export"
	"github.com/redrive-go/redrive/retry"
)

// readAll returns what Read yields until its first error.
func readAll(r io.Reader) (entries []dlq.Entry, err error) {
	for entry, err := range export.Read(r) {
		if err != nil {
			return entries, err
		}
		entries = append(entries, entry)
	}
	return entries, nil
}

// written returns entries in a format.
func written(t require.TestingT, format string, entries ...dlq.Entry) []byte {
	var out bytes.Buffer
	var err error
	if count := int64(len(entries)); format == export.FormatNDJSON {
		_, err = export.WriteNDJSON(&out, "events", count, sequence(entries...), nil)
	} else {
		_, err = export.Write(&out, "events", exportedAt, count, sequence(entries...), nil)
	}
	require.NoError(t, err)
	return out.Bytes()
}

func fullEntry(payload string) dlq.Entry {
	entry := entryNo("events", 7)
	entry.Payload = []byte(payload)
	entry.Metadata = map[string]string{"traceparent": "00-\"x\"", "tenant": "<é\u2028>"}
	entry.Attempts[0].ResponseStatus, entry.Attempts[0].ResponseBody = 503, "busy\n"
	entry.Redrives, entry.Job, entry.Exported = 3, "job-1", true
	return entry
}

var payloads = []string{
	``, ` `, `{}`, " {\r\n\t\"a\" :  1.0e+2 ,\"b\":[ ] }\n\n", "\n\n1\r", `{"a":1,"a":2}`, `{"payload":{"payload_base64":"x"}}`,
	`"\ud800 \u003c\/"`, "\"\u2028\u2029\"", "\xff\xfe", "{\"a\":\"\xff\"}", `"}]}`, "{}\n{}", `null`, `"a,b:}"`,
	strings.Repeat("[", 9_990) + strings.Repeat("]", 9_990), strings.Repeat("[", 9_991) + strings.Repeat("]", 9_991),
	"\xef\xbb\xbf{}", `"` + strings.Repeat("x", 300_000) + `"`, strings.Repeat("[\"\\\"[\"", 20) + strings.Repeat("]", 20),
	"[" + strings.Repeat("{},", 20_000) + "{}]",
}

func TestRead_givesBackWhatWasWritten(t *testing.T) {
	t.Parallel()
	for _, format := range export.Formats() {
		for _, payload := range payloads {
			want := []dlq.Entry{fullEntry(payload), entryNo("events", 8)}
			file := written(t, format, want...)
			got, err := readAll(iotest.HalfReader(bytes.NewReader(file)))
			require.NoError(t, err, "%s %.50q", format, payload)
			want[1].Exported = false
			require.Equal(t, want, got, "%s %.50q", format, payload)
			if format == export.FormatNDJSON {
				assert.Equal(t, 2, bytes.Count(file, []byte("\n")), "%.50q", payload)
				assert.Zero(t, bytes.Count(file, []byte("\r")), "%.50q", payload)
			}
		}
	}
}

// TestRead_property holds that every payload comes back, and what else an entry has.
func TestRead_property(t *testing.T) {
	t.Parallel()
	json := rapid.SampledFrom([]string{"{", "}", "[", "]", ",", ":", "\"", "\\", "1", "e", ".", "-", "null", " ", "\n", "\r", "\t", "\x00", "\u2028"})
	payload := rapid.OneOf(
		rapid.SliceOf(rapid.Byte()),
		rapid.Custom(func(t *rapid.T) []byte { return []byte(strings.Join(rapid.SliceOf(json).Draw(t, "tokens"), "")) }),
		rapid.Custom(func(t *rapid.T) []byte {
			space := rapid.StringMatching(`[ \t\r\n]{0,3}`)
			return []byte(space.Draw(t, "before") + `{"a":` + space.Draw(t, "within") + `1}` + space.Draw(t, "after"))
		}),
	)
	text := rapid.String()
	rapid.Check(t, func(t *rapid.T) {
		entries := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) dlq.Entry {
			at := time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "at"), rapid.Int64Range(0, 1e9-1).Draw(t, "ns")).UTC()
			entry := entryNo("events", rapid.Int64Range(1, 1<<62).Draw(t, "id"))
			entry.Payload = payload.Draw(t, "payload")
			entry.Failure.Message = text.Draw(t, "message")
			entry.CreatedAt, entry.AcceptedAt = at, at
			entry.Attempts = retry.History{{Number: 1, StartedAt: at, Error: text.Draw(t, "error")}}
			if tenant := text.Draw(t, "tenant"); tenant != "" {
				entry.Metadata = map[string]string{"tenant": tenant}
			}
			return entry
		}), 0, 4).Draw(t, "entries")
		for _, format := range export.Formats() {
			got, err := readAll(bytes.NewReader(written(t, format, entries...)))
			require.NoError(t, err)
			require.Len(t, got, len(entries))
			for i := range got {
				require.Equal(t, string(entries[i].Payload), string(got[i].Payload))
				got[i].Payload = entries[i].Payload // nil and empty are the same
				require.Equal(t, entries[i], got[i])
			}
		}
	})
}

func TestRead_parts(t *testing.T) {
	t.Parallel()
	one, two := `{"queue":"events","message_id":"a","payload":1}`, `{"payload_base64":"Mg==","message_id":"b","queue":"events"}`
	for name, file := range map[string]string{
		"lines":                 one + "\n" + two,
		"lines with empty ones": "\n" + one + "\r\n\n \t\r\n" + two + "\n\n",
		"document":              `{"queue":"events","entries":[` + one + "," + two + `]}`,
		"sorted":                `{"count":9,"entries":[` + one + "," + two + `],"exported_at":"x","queue":"events"}`,
		"indented":              "\n{\n \"queue\": \"events\",\n \"count\": 2, \"entries\": [\n" + one + " , \n" + two + "\n]\n}\n",
	} {
		entries, err := readAll(strings.NewReader(file))
		require.NoError(t, err, name)
		require.Len(t, entries, 2, name)
		assert.Equal(t, "1", string(entries[0].Payload), name)
		assert.Equal(t, "2", string(entries[1].Payload), name)
		assert.Equal(t, "b", entries[1].MessageID, name)
	}
	for _, file := range []string{"", "\n", `{"count":0,"entries":[]}`} {
		entries, err := readAll(strings.NewReader(file))
		require.NoError(t, err)
		assert.Empty(t, entries)
	}
}

func TestRead_garbage(t *testing.T) {
	t.Parallel()
	good := `{"message_id":"a","payload":1}`
	for file, want := range map[string]export.FileError{
		"hello":                                  {Entry: 1, Line: 1},
		"\xef\xbb\xbf" + good:                    {Entry: 1, Line: 1},
		good + "\n\n" + `{"message_id":"a"`:      {Entry: 2, Line: 3},
		good + "\n{}":                            {Entry: 2, Line: 2},
		good + "\n" + good + good:                {Entry: 2, Line: 2},
		good + ",\n":                             {Entry: 1, Line: 1},
		"[" + good + "]":                         {Entry: 1, Line: 1},
		"null":                                   {Entry: 1, Line: 1},
		`{"payload":1,"payload":2}`:              {Entry: 1, Line: 1},
		`{"payload":1,"id":"1","id":"2"}`:        {Entry: 1, Line: 1},
		`{"payload":1,"id":1}`:                   {Entry: 1, Line: 1},
		`{"payload":1,"colour":"red"}`:           {Entry: 1, Line: 1},
		`{"payload":1,"error":{"x":1}}`:          {Entry: 1, Line: 1},
		`{"payload":1,"created_at":"now"}`:       {Entry: 1, Line: 1},
		`{"payload":1,"metadata":{"a":1}}`:       {Entry: 1, Line: 1},
		`{"payload":1,"topic":"` + "\xff" + `"}`: {Entry: 1, Line: 1},
		`{"payload":1,"topic":"\ud800"}`:         {Entry: 1, Line: 1},
		`{"payload_base64":"?"}`:                 {Entry: 1, Line: 1},
		`{"payload_base64":null,"payload":1}`:    {Entry: 1, Line: 1},
		`{"payload_base64":7}`:                   {Entry: 1, Line: 1},
		`{"payload":1,"payload_base64":"Mg=="}`:  {Entry: 1, Line: 1},
		`{"payload":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`: {Entry: 1, Line: 1},
		`{"queue":"events"}`:                                       {Entry: 1, Line: 1},
		`{"count":1}`:                                              {Entry: 1},
		`{"count":1,"entries":{}}`:                                 {Entry: 1},
		`{"count":1,"entries":[` + good:                            {Entry: 2},
		`{"count":1,"entries":[` + good + `]`:                      {Entry: 2},
		`{"count":1,"entries":[` + good + `,]}`:                    {Entry: 2},
		`{"count":1,"entries":[` + good + `,7]}`:                   {Entry: 2},
		`{"count":1,"entries":[` + good + `]}x`:                    {Entry: 2},
		`{"count":1,"entries":[` + good + `]}` + good:              {Entry: 2},
		`{"count":1,"entries":[` + good + `],"entries":[]}`:        {Entry: 2},
		`{"count":1,"entries":[` + good + `],"next":1}`:            {Entry: 2},
		`{"entries":[` + good + "," + `{"payload":1,"x":1}` + `]}`: {Entry: 2},
	} {
		entries, err := readAll(strings.NewReader(file))
		var got *export.FileError
		require.ErrorAs(t, err, &got, "%.80s", file)
		assert.Equal(t, want, export.FileError{Entry: got.Entry, Line: got.Line}, "%.80s: %v", file, err)
		assert.Len(t, entries, int(want.Entry-1), "%.80s", file)
		assert.Less(t, len(err.Error()), 400, "%.80s", file)
	}
}

func TestRead_limits(t *testing.T) {
	t.Parallel()
	good := `{"message_id":"a","payload":1}`
	for _, start := range []string{good + "\n" + `{"payload":"`, `{"entries":[` + good + `,{"payload":"`} {
		endless := io.MultiReader(strings.NewReader(start), letters{})
		entries, err := readAll(endless)
		var got *export.FileError
		require.ErrorAs(t, err, &got)
		assert.EqualValues(t, 2, got.Entry)
		assert.ErrorContains(t, err, "larger than 64 MiB")
		assert.Len(t, entries, 1)
	}
	entries, err := readAll(io.MultiReader(strings.NewReader(`{"payload":"`), io.LimitReader(letters{}, 40<<20), strings.NewReader(`"}`)))
	require.NoError(t, err)
	assert.Len(t, entries[0].Payload, 40<<20+2)
}

// letters is a reader without an end.
type letters struct{}

func (letters) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = 'x'
	}
	return len(b), nil
}

func TestRead_readerFails(t *testing.T) {
	t.Parallel()
	good := `{"message_id":"a","payload":1}`
	for _, start := range []string{good + "\n" + good, `{"entries":[` + good + `,` + good, `{"entries":[` + good + `]}`, ""} {
		entries, err := readAll(io.MultiReader(strings.NewReader(start), iotest.ErrReader(errDown)))
		require.ErrorIs(t, err, errDown, start)
		var damage *export.FileError
		assert.False(t, errors.As(err, &damage), "not the file's fault: %s", start)
		assert.LessOrEqual(t, len(entries), strings.Count(start, good))
	}
}

func TestRead_stopsWhenAsked(t *testing.T) {
	t.Parallel()
	for range export.Read(bytes.NewReader(written(t, export.FormatJSON, fullEntry("1"), fullEntry("2")))) {
		break
	}
}

// This one is not parallel: it looks at the memory of the whole process.
func TestRead_constantMemory(t *testing.T) { //nolint:paralleltest // see above
	for _, format := range export.Formats() {
		const count = 50_000
		reader, writer := io.Pipe()
		go func() {
			var err error
			if format == export.FormatNDJSON {
				_, err = export.WriteNDJSON(writer, "events", count, generated(count), nil)
			} else {
				_, err = export.Write(writer, "events", exportedAt, count, generated(count), nil)
			}
			writer.CloseWithError(err)
		}()
		before, peak, n := liveBytes(), int64(0), 0
		for _, err := range export.Read(reader) {
			require.NoError(t, err)
			if n++; n%5_000 == 0 {
				peak = max(peak, liveBytes()-before)
			}
		}
		assert.Equal(t, count, n)
		assert.Less(t, peak, int64(1<<20), "bytes held on the way")
	}
}

func FuzzRead(f *testing.F) {
	f.Add(written(f, export.FormatJSON, fullEntry("{ }\n"), fullEntry("x")))
	f.Add(written(f, export.FormatNDJSON, fullEntry("{ }\n"), fullEntry("x")))
	f.Fuzz(func(t *testing.T, file []byte) {
		entries, err := readAll(bytes.NewReader(file))
		if err != nil {
			var damage *export.FileError
			require.ErrorAs(t, err, &damage)
			return
		}
		for _, format := range export.Formats() { // what was read can be written, and read again
			again, err := readAll(bytes.NewReader(written(t, format, entries...)))
			require.NoError(t, err)
			require.Len(t, again, len(entries))
			for i := range again {
				require.Equal(t, string(entries[i].Payload), string(again[i].Payload))
			}
		}
	})
}
