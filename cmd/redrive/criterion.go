package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// criterion is one thing that a filter can ask for.
type criterion struct {
	// name is that of the parameter, flag of the command line, about what it selects.
	name, flag, about string
	kind
}

// kind is what the values of a criterion are.
type kind struct {
	// parse reads what a flag says.
	parse func(text string) ([]string, error)
	// join adds to the values that are there already.
	join func(before, more []string) ([]string, error)
	// encode makes the field of a body, decode reads it.
	encode func(values []string) any
	decode func(raw json.RawMessage) ([]string, error)
}

// criteria are all there are, in the order of command lines.
var criteria = []criterion{
	{"ids", "id", "the entries with these `ids`, with commas between; repeatable", asIDs},
	{"correlation_id", "correlation-id", "entries of the event with this `id`", asText},
	{"error", "error", "entries with this `text` in their error", asText},
	{"signature", "signature", "entries with this `cause`, as redrive errors names it", asText},
	{"q", "q", "entries with this `text` anywhere", asText},
	{"action", "action", "entries whose event has this `action`", asText},
	{"attribute", "attribute", "entries with that value at that path of their payload, `path=value`,\nsuch as data.shop=berlin; repeatable",
		asAttributes},
	{"job", "job", "entries that came back after the retry job with this `id` had moved them", asText},
	{"min_redrives", "min-redrives", "entries that were moved back at least so many `times`", asTimes},
	{"max_redrives", "max-redrives", "entries that were moved back at most so many `times`", asTimes},
	{"from", "from", "entries that came in at this `time` or later: RFC 3339, or how long ago, such as 2h", asMoment},
	{"to", "to", "entries that came in before this `time`: RFC 3339, or how long ago, such as 30m", asMoment},
}

// field is the criterion's name in a body.
func (c *criterion) field() string {
	if c.name == "attribute" {
		return "attributes"
	}
	return c.name
}

// The kinds of criteria.
var (
	asText   = kind{parseText, joinNone, encodeText, decodeOne[string]}
	asTimes  = kind{parseTimes, joinNone, encodeTimes, decodeOne[uint32]}
	asMoment = kind{parseMoment, joinNone, encodeText, decodeOne[string]}

	asIDs        = kind{parseIDs, joinIDs, func(values []string) any { return values }, decode[[]string]}
	asAttributes = kind{parseAttribute, joinAttributes, encodeAttributes, decodeAttributes}
)

// parseText refuses an empty text, which would select everything: a script's variable may be unset.
func parseText(text string) ([]string, error) {
	if text == "" {
		return nil, errors.New("it is empty")
	}
	return []string{text}, nil
}

func parseTimes(text string) ([]string, error) {
	if _, err := strconv.ParseUint(text, 10, 31); err != nil {
		return nil, errors.New("it must be a number from 0")
	}
	return []string{text}, nil
}

// parseMoment reads a time, or a duration before now.
func parseMoment(text string) ([]string, error) {
	at, err := time.Parse(time.RFC3339, text)
	if ago, durationErr := time.ParseDuration(text); durationErr == nil && ago >= 0 {
		at, err = time.Now().Add(-ago), nil
	}
	if err != nil {
		return nil, errors.New("it must be such as 2006-01-02T15:04:05Z, or how long ago, such as 2h or 90m")
	}
	return []string{at.UTC().Format(time.RFC3339Nano)}, nil
}

// maxIDs is how many entries a filter can name.
const maxIDs = 1000

func parseIDs(text string) ([]string, error) {
	list := strings.Split(text, ",")
	for i, id := range list {
		list[i] = strings.TrimSpace(id)
		if n, err := strconv.ParseInt(list[i], 10, 64); err != nil || n < 1 {
			return nil, errors.New("it must be ids of entries, such as 17,18")
		}
	}
	return list, nil
}

func parseAttribute(pair string) ([]string, error) {
	if path, _, ok := strings.Cut(pair, "="); !ok || path == "" {
		return nil, errors.New("it must be path=value")
	}
	return []string{pair}, nil
}

// joinNone is for what can be asked for once.
func joinNone(before, more []string) ([]string, error) {
	if len(before) > 0 {
		return nil, errors.New("it is there twice")
	}
	return more, nil
}

func joinIDs(before, more []string) ([]string, error) {
	all := slices.Concat(before, more)
	if len(all) > maxIDs {
		return nil, fmt.Errorf("there may be %d ids at most", maxIDs)
	}
	return all, nil
}

func joinAttributes(before, more []string) ([]string, error) {
	for _, pair := range before {
		path, _, _ := strings.Cut(pair, "=")
		if strings.HasPrefix(more[0], path+"=") {
			return nil, fmt.Errorf("%s is there twice", path)
		}
	}
	return append(before, more...), nil
}

func encodeText(values []string) any { return values[0] }

func encodeTimes(values []string) any { return intOf(values[0]) }

// intOf is a number that was parsed before; 0 for none.
func intOf(text string) int {
	n, _ := strconv.Atoi(text)
	return n
}

func encodeAttributes(values []string) any {
	pairs := map[string]string{}
	for _, pair := range values {
		path, value, _ := strings.Cut(pair, "=")
		pairs[path] = value
	}
	return pairs
}

func decodeOne[T any](raw json.RawMessage) ([]string, error) {
	value, err := decode[T](raw)
	return []string{fmt.Sprint(value)}, err
}

func decodeAttributes(raw json.RawMessage) ([]string, error) {
	pairs, err := decode[map[string]string](raw)
	var values []string
	for _, path := range slices.Sorted(maps.Keys(pairs)) {
		if strings.Contains(path, "=") {
			return nil, fmt.Errorf("the path %q cannot stand on a command line", path)
		}
		values = append(values, path+"="+pairs[path])
	}
	return values, err
}
