package git

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/idxfile"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
)

const (
	// maxPacks is how many packs the clone may have before small ones are put
	// together: each fetch adds one, and each read looks through them all.
	maxPacks = 50
	// maxRepack bounds what is put together at once, and so the memory for it.
	maxRepack = 32 << 20
	// window is how many objects one is compared with to store it as a difference.
	window = 10
)

// dropLeftovers removes files of a process that was killed in the middle.
func dropLeftovers(dir string) error {
	for _, pattern := range []string{fetchedPack, filepath.Join("objects", "*", "tmp_*")} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return err
		}
		for _, f := range found {
			if err := os.Remove(f); err != nil {
				return err
			}
		}
	}
	return nil
}

// storePack writes the index of a pack that was fetched. What it returns puts both among
// the clone's, by their names: the index last, without which a pack is none.
func storePack(ctx context.Context, dir string, file *os.File) (func() error, error) {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	index, largest, err := indexPack(ctx, file, dir)
	if errors.Is(err, packfile.ErrEmptyPackfile) {
		return func() error { return nil }, nil
	}
	if err != nil {
		return nil, err
	}
	in := filepath.Join(dir, "objects", "pack")
	if err := os.MkdirAll(in, 0o700); err != nil {
		return nil, err
	}
	to := filepath.Join(in, "pack-"+plumbing.Hash(index.PackfileChecksum).String())
	idx, err := os.CreateTemp(in, "tmp_idx_")
	if err != nil {
		return nil, err
	}
	defer idx.Close()
	w := bufio.NewWriter(idx)
	if _, err := idxfile.NewEncoder(w).Encode(index); err != nil {
		return nil, err
	}
	if err := w.Flush(); err != nil {
		return nil, err
	}
	return func() error {
		if largest > inMemory {
			if err := os.WriteFile(to+keepExt, []byte("it has large objects, which take memory to be packed anew\n"), 0o600); err != nil {
				return err
			}
		}
		if err := os.Rename(file.Name(), to+".pack"); err != nil {
			return err
		}
		return os.Rename(idx.Name(), to+".idx")
	}, nil
}

// keepExt is that of the file beside a pack that is not to be packed anew, as git has
// it.
const keepExt = ".keep"

// pack is one pack of the clone, by its path without .pack.
type pack struct {
	path string
	size int64
}

func (p pack) hash() plumbing.Hash {
	return plumbing.NewHash(strings.TrimPrefix(filepath.Base(p.path), "pack-"))
}

// packsIn returns the packs that may be put together.
func packsIn(dir string) ([]pack, error) {
	files, err := filepath.Glob(filepath.Join(dir, "objects", "pack", "pack-*.pack"))
	if err != nil {
		return nil, err
	}
	var out []pack
	for _, f := range files {
		if _, err := os.Stat(strings.TrimSuffix(f, ".pack") + keepExt); err == nil {
			continue
		}
		info, err := os.Stat(f)
		if err != nil {
			return nil, err
		}
		out = append(out, pack{strings.TrimSuffix(f, ".pack"), info.Size()})
	}
	return out, nil
}

// toMerge returns the small packs: from the smallest up, until one is more than
// twice as large as all before it. Each object is then written again a few times
// at the most, however long the clone lives.
func toMerge(packs []pack) []pack {
	slices.SortFunc(packs, func(a, b pack) int { return cmp.Or(cmp.Compare(a.size, b.size), cmp.Compare(a.path, b.path)) })
	var sum int64
	for i, p := range packs {
		if i > 1 && p.size > 2*sum || sum+p.size > maxRepack {
			return packs[:i]
		}
		sum += p.size
	}
	return packs
}

// eachObject calls see with the hash of each object that an index lists.
func eachObject(path string, see func(plumbing.Hash)) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	index := idxfile.NewMemoryIndex()
	if err := idxfile.NewDecoder(f).Decode(index); err != nil {
		return err
	}
	entries, err := index.Entries()
	if err != nil {
		return err
	}
	defer entries.Close()
	for {
		e, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		see(e.Hash)
	}
}
