package management

import (
	"bytes"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// Limits of a payload that is shown as a tree: beyond them it is shown as text alone.
const (
	maxTreeParts = 2000
	maxTreeDepth = 20
)

// treePart is a value in a payload that is JSON.
type treePart struct {
	// Name is the value's name in its object, or its index in its array.
	Name string
	// Value is a value without parts, as it stands in the payload.
	Value string
	Parts []treePart
}

// newTree returns the parts of a JSON object or array, in their order; none for anything else.
func newTree(payload []byte) []treePart {
	reader := treeReader{decoder: jsontext.NewDecoder(bytes.NewReader(payload), jsontext.AllowDuplicateNames(true))}
	root, ok := reader.read("")
	if !ok {
		return nil
	}
	return root.Parts
}

// treeReader reads a tree and counts its parts.
type treeReader struct {
	decoder *jsontext.Decoder
	parts   int
}

// read returns the next value; ok is false where that is no JSON, or too much.
func (r *treeReader) read(name string) (part treePart, ok bool) {
	r.parts++
	if r.parts > maxTreeParts || r.decoder.StackDepth() > maxTreeDepth {
		return part, false
	}
	part.Name = name
	kind := r.decoder.PeekKind()
	if kind != '{' && kind != '[' {
		value, err := r.decoder.ReadValue()
		part.Value = string(value)
		return part, err == nil
	}
	if _, err := r.decoder.ReadToken(); err != nil {
		return part, false
	}
	for closing := kind + 2; r.decoder.PeekKind() != closing; { // in ASCII, both kinds of brackets close two after they open
		inner := strconv.Itoa(len(part.Parts))
		if kind == '{' {
			token, err := r.decoder.ReadToken()
			if err != nil {
				return part, false
			}
			inner = token.String()
		}
		child, ok := r.read(inner)
		if !ok {
			return part, false
		}
		part.Parts = append(part.Parts, child)
	}
	_, err := r.decoder.ReadToken()
	if part.Parts == nil {
		part.Value = string([]byte{byte(kind), byte(kind + 2)})
	}
	return part, err == nil
}
