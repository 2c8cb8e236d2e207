package git

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/idxfile"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
)

const (
	// inMemory is up to what size an object is held in memory while others are made
	// of it; larger ones lie in a file meanwhile. The library would hold each object of
	// a pack in memory, though a small pack can hold gigabytes.
	inMemory = 1 << 20
	// maxBases bounds the bases that are kept in memory, for those who share one.
	maxBases = 16 << 20
	// maxDelta is up to what size an object may be a delta, or have some: git makes none of
	// larger ones (core.bigFileThreshold), and a few bytes of a delta can stand for any
	// number of gigabytes on the disk.
	maxDelta = 512 << 20
	// maxOwnText is up to what size a delta may be that is read from the pack: the library
	// reads all of a delta to find out how large its object is. What a larger one makes, and
	// what is made of that, lies beside the pack.
	maxOwnText = 1 << 20
	// minPacked is the least that an object takes in a pack.
	minPacked = 9
)

// packed is one object of a pack.
type packed struct {
	offset   int64
	crc      uint32
	kind     plumbing.ObjectType // of a delta: that of what it is a delta of, once that is known
	delta    bool
	beside   bool          // it lies beside the pack
	hash     plumbing.Hash // zero while it is not known
	base     int           // of a delta: which object; -1 if that is known by its hash only
	baseHash plumbing.Hash
}

// indexer finds out what is in a pack. It takes a little memory for each object, and
// next to none for what is in them.
type indexer struct {
	file    *os.File
	dir     string // for large objects
	scanner *packfile.Scanner
	objects []packed
	after   map[int][]int           // deltas, by their base
	named   map[plumbing.Hash][]int // deltas, by their base's hash
	largest int64

	bases map[int][]byte // what some of them hold
	held  int
}

// indexPack returns the index of a pack, and the size of the largest object in it.
func indexPack(ctx context.Context, file *os.File, dir string) (*idxfile.MemoryIndex, int64, error) {
	x := &indexer{file: file, dir: dir, scanner: packfile.NewScanner(file), after: map[int][]int{}, named: map[plumbing.Hash][]int{}, bases: map[int][]byte{}}
	if err := x.scan(ctx); err != nil {
		return nil, 0, err
	}
	sum, err := x.scanner.Checksum()
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, 0, err
	}
	for i := range x.objects {
		if !x.objects[i].delta {
			if err := x.grow(ctx, i); err != nil {
				return nil, 0, err
			}
		}
	}
	var w idxfile.Writer
	if err := w.OnHeader(uint32(len(x.objects))); err != nil {
		return nil, 0, err
	}
	for _, o := range x.objects {
		if o.hash.IsZero() {
			return nil, 0, fmt.Errorf("%w: an object is a delta of one that is not in it", packfile.ErrMalformedPackFile)
		}
		if o.beside {
			continue
		}
		w.Add(o.hash, uint64(o.offset), o.crc)
	}
	if err := w.OnFooter(sum); err != nil {
		return nil, 0, err
	}
	index, err := w.Index()
	return index, x.largest, err
}

// scan goes through the pack once. What is whole in it has its hash then.
func (x *indexer) scan(ctx context.Context) error {
	_, count, err := x.scanner.Header()
	if err != nil {
		return err
	}
	info, err := x.file.Stat()
	if err != nil {
		return err
	}
	if int64(count) > info.Size()/minPacked {
		return fmt.Errorf("%w: it says that it has %d objects, in %d bytes", packfile.ErrMalformedPackFile, count, info.Size())
	}
	at := make(map[int64]int, count)
	for i := range int(count) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		o, err := x.next()
		if err != nil {
			return fmt.Errorf("%w: %w", packfile.ErrMalformedPackFile, err)
		}
		at[o.offset] = i
		switch {
		case !o.delta:
		case o.base >= 0:
			of, ok := at[int64(o.base)]
			if !ok {
				return fmt.Errorf("%w: a delta of nothing", packfile.ErrMalformedPackFile)
			}
			o.base = of
			x.after[of] = append(x.after[of], i)
		default:
			x.named[o.baseHash] = append(x.named[o.baseHash], i)
		}
		x.objects = append(x.objects, o)
	}
	return nil
}

// next reads the next object; the base of a delta is an offset yet.
func (x *indexer) next() (packed, error) {
	h, err := x.scanner.NextObjectHeader()
	if err != nil {
		return packed{}, err
	}
	o := packed{offset: h.Offset, kind: h.Type, base: -1}
	if o.delta = h.Type.IsDelta(); o.delta {
		if h.Type == plumbing.OFSDeltaObject {
			o.base = int(h.OffsetReference)
		}
		o.baseHash, o.beside = h.Reference, h.Length > maxOwnText
		_, o.crc, err = x.scanner.NextObject(io.Discard)
		return o, err
	}
	x.largest = max(x.largest, h.Length)
	hasher := plumbing.NewHasher(h.Type, h.Length)
	start := newBeginning(h.Type, h.Length)
	n, crc, err := x.scanner.NextObject(io.MultiWriter(hasher, start))
	if err == nil && n != h.Length {
		err = io.ErrUnexpectedEOF
	}
	o.crc, o.hash = crc, hasher.Sum()
	return o, cmp.Or(err, start.store(x.dir, o.hash))
}

// grow finds the hashes of all that is made of an object: of its deltas, of theirs, and
// so on, each right after what it is made of.
func (x *indexer) grow(ctx context.Context, root int) error {
	todo := x.deltasOf(root)
	for len(todo) > 0 {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		i := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		c, err := x.content(i)
		if err != nil {
			return err
		}
		c.close()
		todo = append(todo, x.deltasOf(i)...)
	}
	return nil
}

// deltasOf returns what is a delta of an object whose hash is known.
func (x *indexer) deltasOf(i int) []int {
	hash := x.objects[i].hash
	found := append(x.after[i], x.named[hash]...)
	for _, child := range found {
		x.objects[child].base = i
	}
	delete(x.after, i)
	delete(x.named, hash)
	return found
}

// content returns what an object holds, made of the nearest base whose content is
// there. An object's hash is known from then on.
func (x *indexer) content(i int) (*content, error) {
	line := []int{i}
	for x.objects[i].delta && x.bases[i] == nil {
		i = x.objects[i].base
		line = append(line, i)
	}
	var c *content
	for n := len(line) - 1; n >= 0; n-- {
		made, err := x.made(line[n], c)
		c.close()
		if err != nil {
			made.close()
			return nil, err
		}
		c = made
	}
	return c, nil
}

// made returns what an object holds: what is kept of it, what the pack has, or what a
// delta makes of its base.
func (x *indexer) made(i int, base *content) (*content, error) {
	o := &x.objects[i]
	if raw := x.bases[i]; raw != nil {
		return &content{ReaderAt: bytes.NewReader(raw), size: int64(len(raw))}, nil
	}
	h, err := x.scanner.SeekObjectHeader(o.offset)
	if err != nil {
		return nil, err
	}
	r, err := x.scanner.ReadObject()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	in, size := bufio.NewReader(r), h.Length
	if o.delta {
		if size, err = deltaSizes(in, base.size); err != nil {
			return nil, err
		}
		o.kind, o.beside = x.objects[o.base].kind, o.beside || x.objects[o.base].beside
	}
	if size > maxDelta {
		return nil, fmt.Errorf("%w: an object of %d MiB is a delta, or has some", packfile.ErrMalformedPackFile, size>>20)
	}
	x.largest = max(x.largest, size)
	hasher, start := plumbing.NewHasher(o.kind, size), newBeginning(o.kind, size)
	c, err := newContent(x.dir, size, func(w io.Writer) error {
		w = io.MultiWriter(w, hasher, start)
		if o.delta {
			return applyDelta(w, base, in, size)
		}
		_, err := io.Copy(w, in)
		return err
	})
	if err != nil {
		return nil, err
	}
	o.hash = hasher.Sum()
	x.cache(i, c)
	if o.beside {
		x.largest = max(x.largest, inMemory+1) // the pack is not to be made anew
		err = storeBeside(x.dir, o.kind, o.hash, c)
	}
	return c, cmp.Or(err, start.store(x.dir, o.hash))
}

// cache keeps what an object holds for others that are made of it.
func (x *indexer) cache(i int, c *content) {
	if c.raw == nil || c.size == 0 {
		return
	}
	if x.held+len(c.raw) > maxBases {
		clear(x.bases)
		x.held = 0
	}
	x.bases[i], x.held = c.raw, x.held+len(c.raw)
}
