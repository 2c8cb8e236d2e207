// Package wire carries messages between two processes of which one may be compromised: memory
// for what arrives is taken from a budget before it is allocated, so that no message, whatever
// length it claims, takes more memory than its receiver allows.
//
// It does not know what messages mean: they are pointers to structs of strings, numbers,
// booleans, slices, structs and pointers, with exported fields only. Both sides are the same
// program, so that neither types nor names are sent.
package wire

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
)

// Wire sends and receives. One at a time may send, and one at a time receive.
type Wire struct {
	in  *bufio.Reader
	out *bufio.Writer
}

// New returns a wire.
func New(r io.Reader, w io.Writer) *Wire {
	return &Wire{bufio.NewReaderSize(r, bufferSize), bufio.NewWriterSize(w, bufferSize)}
}

const (
	bufferSize = 32 << 10
	maxNested  = 1000 // structs, lists and pointers in each other
)

// ErrTooLarge is of a message that takes more than it may.
var ErrTooLarge = errors.New("a message takes more memory than it may")

// ErrNoMessage is of what can't be read as one.
var ErrNoMessage = errors.New("what arrives is no message")

// Send sends a message which takes no more than limit bytes of memory where it is received.
// If it takes more nothing is sent.
func (w *Wire) Send(m any, limit int64) error {
	b := budget(limit)
	v := reflect.ValueOf(m).Elem()
	if err := b.weigh(v, 0); err != nil {
		return err
	}
	if err := w.write(v); err != nil {
		return err
	}
	return w.out.Flush()
}

// Receive receives a message into m, which takes no more than limit bytes of memory. After
// an error the wire is of no more use.
func (w *Wire) Receive(m any, limit int64) error {
	b := budget(limit)
	return w.read(reflect.ValueOf(m).Elem(), &b, 0)
}

// budget is how many bytes a message may take yet.
type budget int64

func (b *budget) pay(n uint64, each uintptr) error {
	if each > 0 && n > uint64(*b)/uint64(each) {
		return ErrTooLarge
	}
	*b -= budget(n * uint64(each))
	return nil
}

// least is what each element of a list costs, however small it is.
func least(t reflect.Type) uintptr { return max(t.Size(), 1) }

func (b *budget) weigh(v reflect.Value, depth int) error {
	if depth > maxNested {
		return fmt.Errorf("%w: it nests too deeply", ErrTooLarge)
	}
	switch v.Kind() {
	case reflect.String:
		return b.pay(uint64(v.Len()), 1)
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		if err := b.pay(1, least(v.Type().Elem())); err != nil {
			return err
		}
		return b.weigh(v.Elem(), depth+1)
	case reflect.Slice:
		if err := b.pay(uint64(v.Len()), least(v.Type().Elem())); err != nil || isBytes(v.Type()) {
			return err
		}
		for i := range v.Len() {
			if err := b.weigh(v.Index(i), depth+1); err != nil {
				return err
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if err := b.weigh(v.Field(i), depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

func isBytes(t reflect.Type) bool { return t.Elem().Kind() == reflect.Uint8 }

func (w *Wire) write(v reflect.Value) error {
	switch v.Kind() {
	case reflect.Bool:
		n := uint64(0)
		if v.Bool() {
			n = 1
		}
		return w.number(n)
	case reflect.Int, reflect.Int64:
		return w.number(uint64(v.Int())) //nolint:gosec // it is read the same way
	case reflect.Uint64:
		return w.number(v.Uint())
	case reflect.String:
		if err := w.number(uint64(v.Len())); err != nil {
			return err
		}
		_, err := w.out.WriteString(v.String())
		return err
	case reflect.Pointer:
		if v.IsNil() {
			return w.number(0)
		}
		if err := w.number(1); err != nil {
			return err
		}
		return w.write(v.Elem())
	case reflect.Slice:
		return w.list(v)
	case reflect.Struct:
		for i := range v.NumField() {
			if err := w.write(v.Field(i)); err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("a message has a %s", v.Type())
}

func (w *Wire) number(n uint64) error {
	_, err := w.out.Write(binary.AppendUvarint(w.out.AvailableBuffer(), n))
	return err
}

func (w *Wire) list(v reflect.Value) error {
	if err := w.number(uint64(v.Len())); err != nil {
		return err
	}
	if isBytes(v.Type()) {
		_, err := w.out.Write(v.Bytes())
		return err
	}
	for i := range v.Len() {
		if err := w.write(v.Index(i)); err != nil {
			return err
		}
	}
	return nil
}

func (w *Wire) read(v reflect.Value, b *budget, depth int) error {
	if depth > maxNested {
		return fmt.Errorf("%w: it nests too deeply", ErrNoMessage)
	}
	if v.Kind() == reflect.Struct {
		for i := range v.NumField() {
			if err := w.read(v.Field(i), b, depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	n, err := w.count()
	if err != nil {
		return err
	}
	switch v.Kind() {
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(n)) //nolint:gosec // it was written the same way
		return nil
	case reflect.Uint64:
		v.SetUint(n)
		return nil
	case reflect.String:
		return w.text(v, n, b)
	case reflect.Slice:
		return w.elements(v, n, b, depth)
	}
	if n > 1 {
		return ErrNoMessage
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(n == 1)
		return nil
	case reflect.Pointer:
		if n == 0 {
			return nil
		}
		if err := b.pay(1, least(v.Type().Elem())); err != nil {
			return err
		}
		v.Set(reflect.New(v.Type().Elem()))
		return w.read(v.Elem(), b, depth+1)
	}
	return fmt.Errorf("a message has a %s", v.Type())
}

// count reads a number. A number that is too long is no message; other errors are the
// connection's.
func (w *Wire) count() (n uint64, err error) {
	for shift := uint(0); ; shift += 7 {
		c, err := w.in.ReadByte()
		if err != nil {
			return 0, err
		}
		if shift == 63 && c > 1 {
			return 0, ErrNoMessage
		}
		n |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return n, nil
		}
	}
}

func (w *Wire) text(v reflect.Value, n uint64, b *budget) error {
	if err := b.pay(n, 1); err != nil {
		return err
	}
	var text strings.Builder
	text.Grow(int(n)) //nolint:gosec // it was paid for
	if _, err := io.CopyN(&text, w.in, int64(n)); err != nil {
		return err
	}
	v.SetString(text.String())
	return nil
}

func (w *Wire) elements(v reflect.Value, n uint64, b *budget, depth int) error {
	if n == 0 {
		return nil
	}
	if err := b.pay(n, least(v.Type().Elem())); err != nil {
		return err
	}
	v.Set(reflect.MakeSlice(v.Type(), int(n), int(n))) //nolint:gosec // it was paid for
	if isBytes(v.Type()) {
		_, err := io.ReadFull(w.in, v.Bytes())
		return err
	}
	for i := range v.Len() {
		if err := w.read(v.Index(i), b, depth+1); err != nil {
			return err
		}
	}
	return nil
}
