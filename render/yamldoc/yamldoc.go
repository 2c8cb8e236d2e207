// Package yamldoc parses YAML from strangers. It limits how large a document is with its
// aliases resolved, before that is done: a few bytes of aliases can stand for gigabytes, and
// the YAML libraries limit neither that nor the size when it is written as text again.
//
// It does not know what documents are about, nor where they come from: the caller adds the
// file, and the line.
package yamldoc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"go.yaml.in/yaml/v3"
	sigsyaml "sigs.k8s.io/yaml"
)

// Limits bound one document.
type Limits struct {
	// Bytes is how long its text may be.
	Bytes int
	// Nodes is how many values and keys it may stand for, with all that aliases repeat.
	Nodes int
	// Size is how many bytes these have together.
	Size int
}

// File bounds a file of a repository.
var File = Limits{Bytes: 1 << 20, Nodes: 250_000, Size: 4 << 20}

// Small bounds what is part of such a file, or of many documents.
var Small = Limits{Bytes: 512 << 10, Nodes: 20_000, Size: 512 << 10}

const (
	maxDepth = 200
	perNode  = 2 // bytes that each takes as text, beside its own
)

// LimitError says which bound a document exceeds, and how to mend it. It holds nothing of
// the document.
type LimitError struct{ text string }

// Error is to follow the name of what was read.
func (e *LimitError) Error() string { return e.text }

// large is from what length on documents are parsed one after the other: each takes a
// hundred times its length meanwhile.
const large = 128 << 10

var parsing sync.Mutex

// SecondError says that a text holds more than the one document that it may, and where.
type SecondError struct{ Line int }

// Error says so.
func (e *SecondError) Error() string { return "it holds more than one document: keep one" }

// Parse reads a text's first document as nodes; io.EOF says that there is none.
func (l Limits) Parse(raw []byte) (*yaml.Node, error) {
	root, _, err := l.parse(raw)
	return root, err
}

// ParseOne is Parse of a text that may hold one document only.
func (l Limits) ParseOne(raw []byte) (*yaml.Node, error) {
	root, rest, err := l.parse(raw)
	if err != nil {
		return nil, err
	}
	var second yaml.Node
	if err := rest.Decode(&second); !errors.Is(err, io.EOF) {
		return nil, &SecondError{second.Line}
	}
	return root, nil
}

func (l Limits) parse(raw []byte) (*yaml.Node, *yaml.Decoder, error) {
	if len(raw) > l.Bytes {
		return nil, nil, &LimitError{fmt.Sprintf("it has more than %s of YAML: split it", bytesOf(l.Bytes))}
	}
	if len(raw) > large {
		parsing.Lock()
		defer parsing.Unlock()
	}
	root, documents := &yaml.Node{}, yaml.NewDecoder(bytes.NewReader(raw))
	if err := documents.Decode(root); err != nil {
		return nil, nil, err
	}
	return root, documents, l.Judge(root)
}

// Judge says whether nodes stand for more than they may.
func (l Limits) Judge(root *yaml.Node) error {
	return (&count{limits: l}).node(root, 0)
}

// Unmarshal reads a text's first document with the types that Helm gives to values. What
// is no YAML is said by the library that gives them.
func (l Limits) Unmarshal(raw []byte, into any) error {
	_, err := l.Parse(raw)
	var limit *LimitError
	if errors.As(err, &limit) || err != nil && !errors.Is(err, io.EOF) && Repeats(raw) {
		return err
	}
	return sigsyaml.Unmarshal(raw, into)
}

// JSON makes JSON of a text's first document, with all that aliases repeat written out.
func (l Limits) JSON(raw []byte) ([]byte, error) {
	if _, err := l.Parse(raw); err != nil {
		return nil, err
	}
	return sigsyaml.YAMLToJSON(raw)
}

// Repeats reports whether a document may hold aliases: without any it stands for no more
// than its own length.
func Repeats(raw []byte) bool {
	return bytes.IndexByte(raw, '*') >= 0 && bytes.IndexByte(raw, '&') >= 0
}

// count is what a document stands for, as far as it was counted.
type count struct {
	limits      Limits
	nodes, size int
	aliases     bool
}

// node counts a node and what it holds, and ends at the first that is too much: so that
// counting takes no longer than what is allowed.
func (c *count) node(n *yaml.Node, depth int) error {
	if n.Kind == yaml.AliasNode {
		c.aliases = true
		n = n.Alias
	}
	c.nodes, c.size = c.nodes+1, c.size+len(n.Value)+perNode
	switch {
	case depth > maxDepth:
		return &LimitError{fmt.Sprintf("it nests more than %d levels deep, or holds itself: make it flatter", maxDepth)}
	case c.nodes > c.limits.Nodes:
		return &LimitError{fmt.Sprintf("%s more than %d values: %s", c.subject(), c.limits.Nodes, c.mend())}
	case c.size > c.limits.Size:
		return &LimitError{fmt.Sprintf("%s more than %s of values: %s", c.subject(), bytesOf(c.limits.Size), c.mend())}
	}
	for _, e := range n.Content {
		if err := c.node(e, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (c *count) subject() string {
	if c.aliases {
		return "with what its aliases repeat it holds"
	}
	return "it holds"
}

func (c *count) mend() string {
	if c.aliases {
		return "repeat less of it, or split it"
	}
	return "split it"
}

// Count returns how many values and keys there are in what was read.
func Count(v any) int {
	n := 1
	switch v := v.(type) {
	case map[string]any:
		for _, e := range v {
			n += 1 + Count(e)
		}
	case []any:
		for _, e := range v {
			n += Count(e)
		}
	}
	return n
}

func bytesOf(n int) string {
	if n >= 1<<20 && n%(1<<20) == 0 {
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d KiB", n>>10)
}
