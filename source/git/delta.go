package git

import (
	"fmt"
	"io"

	"github.com/go-git/go-git/v5/plumbing/format/packfile"
)

var errDelta = fmt.Errorf("%w: a delta that can't be followed", packfile.ErrMalformedPackFile)

// deltaSizes reads the beginning of a delta (gitformat-pack(5)): the size of what it is a
// delta of, which has to be that of its base, and of what it makes of that.
func deltaSizes(in io.ByteReader, base int64) (int64, error) {
	from, err := deltaSize(in)
	if err != nil || from != base {
		return 0, errDelta
	}
	return deltaSize(in)
}

// deltaSize reads a number, seven bits a byte, the lowest first.
func deltaSize(in io.ByteReader) (int64, error) {
	var n int64
	for shift := 0; shift < 56; shift += 7 {
		b, err := in.ReadByte()
		if err != nil {
			return 0, errDelta
		}
		n |= int64(b&0x7f) << shift
		if b&0x80 == 0 {
			return n, nil
		}
	}
	return 0, errDelta
}

// deltaReader is what a delta is read from.
type deltaReader interface {
	io.Reader
	io.ByteReader
}

// applyDelta writes what the rest of a delta makes of its base: pieces of that, and
// pieces of its own, size bytes in all.
func applyDelta(w io.Writer, base *content, in deltaReader, size int64) error {
	for size > 0 {
		op, err := in.ReadByte()
		if err != nil || op == 0 {
			return errDelta
		}
		var piece io.Reader
		n := int64(op)
		if op&0x80 == 0 {
			piece = io.LimitReader(in, n)
		} else {
			var at int64
			if at, n, err = copied(op, in); err != nil || at+n > base.size {
				return errDelta
			}
			piece = io.NewSectionReader(base, at, n)
		}
		if n > size {
			return errDelta
		}
		if _, err := io.CopyN(w, piece, n); err != nil {
			return err
		}
		size -= n
	}
	if _, err := in.ReadByte(); err != io.EOF {
		return errDelta
	}
	return nil
}

// copied reads which piece of the base comes next.
func copied(op byte, in io.ByteReader) (at, n int64, err error) {
	for bit := range 7 {
		if op&(1<<bit) == 0 {
			continue
		}
		b, err := in.ReadByte()
		if err != nil {
			return 0, 0, err
		}
		if bit < 4 {
			at |= int64(b) << (8 * bit)
		} else {
			n |= int64(b) << (8 * (bit - 4))
		}
	}
	if n == 0 {
		n = 1 << 16
	}
	return at, n, nil
}
