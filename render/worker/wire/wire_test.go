package wire

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"unsafe"
)

type leaf struct {
	Name string
	Data []byte
}

type tree struct {
	N     int
	Size  int64
	Call  uint64
	Is    bool
	Names []string
	Raw   [][]byte
	Leafs []leaf
	More  *leaf
	Deps  []*tree
}

var whole = tree{N: -3, Size: 1 << 62, Call: 1<<64 - 1, Is: true, Names: []string{"a", "", "ü"}, Raw: [][]byte{{0, 255}, nil}, Leafs: []leaf{{"a", []byte("b")}, {}},
	More: &leaf{Name: "x"}, Deps: []*tree{{N: 1}, nil, {Deps: []*tree{{Is: true}}}}}

func sent(t testing.TB, m any) []byte {
	var b bytes.Buffer
	if err := New(nil, &b).Send(m, 1<<30); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestWhatIsSentArrives(t *testing.T) {
	w := New(bytes.NewReader(append(sent(t, &whole), sent(t, &tree{N: 2})...)), nil)
	for _, want := range []tree{whole, {N: 2}} {
		var have tree
		if err := w.Receive(&have, 1<<20); err != nil || !reflect.DeepEqual(have, want) {
			t.Errorf("%v: have %+v, want %+v", err, have, want)
		}
	}
}

// A message takes as much to be sent as to be received, and what it takes is what it is.
func TestAMessageIsPaidFor(t *testing.T) {
	for sentence, c := range map[string]struct {
		m    tree
		cost int64
	}{
		"nothing":       {tree{}, 0},
		"a text":        {tree{Leafs: []leaf{{Name: "abc"}}}, 3 + int64(unsafe.Sizeof(leaf{}))},
		"empty structs": {tree{Leafs: make([]leaf, 100)}, 100 * int64(unsafe.Sizeof(leaf{}))},
		"empty texts":   {tree{Names: make([]string, 100)}, 100 * int64(unsafe.Sizeof(""))},
		"a pointer":     {tree{More: &leaf{}}, int64(unsafe.Sizeof(leaf{}))},
	} {
		raw := sent(t, &c.m)
		for less := range int64(2) {
			if less > c.cost {
				continue
			}
			wanted := less > 0
			var b bytes.Buffer
			if err := New(nil, &b).Send(&c.m, c.cost-less); errors.Is(err, ErrTooLarge) != wanted || wanted && b.Len() > 0 {
				t.Errorf("%s: sent with %d bytes less: %v, %d bytes", sentence, less, err, b.Len())
			}
			if err := New(bytes.NewReader(raw), nil).Receive(&tree{}, c.cost-less); errors.Is(err, ErrTooLarge) != wanted {
				t.Errorf("%s: received with %d bytes less: %v", sentence, less, err)
			}
		}
	}
}

func TestWhatIsNoMessage(t *testing.T) {
	raw := sent(t, &whole)
	for i := range raw {
		if err := New(bytes.NewReader(raw[:i]), nil).Receive(&tree{}, 1<<20); !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%d bytes of it: %v", i, err)
		}
	}
	for sentence, text := range map[string]string{
		"a number without end":     strings.Repeat("\xff", 100),
		"a truth that is neither":  "\x00\x00\x00\x02",
		"a pointer that is no one": "\x00\x00\x00\x00\x00\x00\x00\x02",
		"trees in trees":           strings.Repeat("\x00\x00\x00\x00\x00\x00\x00\x00\x01\x01", 2000),
	} {
		if err := New(strings.NewReader(text), nil).Receive(&tree{}, 1<<30); !errors.Is(err, ErrNoMessage) {
			t.Errorf("%s: %v", sentence, err)
		}
	}
}

// Whatever arrives, what comes of it takes no more than was allowed: as much can be sent.
func FuzzReceive(f *testing.F) {
	f.Add(sent(f, &whole))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var m tree
		if New(bytes.NewReader(raw), nil).Receive(&m, 1<<16) == nil {
			if err := New(nil, io.Discard).Send(&m, 1<<16); err != nil {
				t.Error(err)
			}
		}
	})
}
