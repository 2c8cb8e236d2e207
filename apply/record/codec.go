package record

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"sync"

	"helm.sh/helm/v3/pkg/release"
)

// These bound what a record may unpack to: a Secret's megabyte may hold a gigabyte of zeros, and a
// text of many values takes many times its size as maps and lists. Helm itself writes
// no record of a tenth of it.
const (
	maxPlain  = 64 << 20
	maxValues = 1_000_000
)

// decode reads Helm's encoding of a release: JSON, gzipped, in base64. Fields that it
// does not know are passed over: a newer Helm may have written them.
func decode(body []byte) (*release.Release, error) {
	plain, err := unpack(body)
	if err != nil {
		return nil, err
	}
	var rel release.Release
	if err := json.Unmarshal(plain, &rel); err != nil {
		return nil, err
	}
	if rel.Info == nil {
		rel.Info = &release.Info{}
	}
	return &rel, nil
}

// unpack returns the JSON of a release, within bounds.
func unpack(body []byte) ([]byte, error) {
	raw := make([]byte, base64.StdEncoding.DecodedLen(len(body)))
	n, err := base64.StdEncoding.Decode(raw, body)
	if err != nil {
		return nil, err
	}
	plain := raw[:n]
	if bytes.HasPrefix(plain, []byte{0x1f, 0x8b, 0x08}) {
		if plain, err = gunzip(plain); err != nil {
			return nil, err
		}
	}
	if values := count(plain); values > maxValues {
		return nil, fmt.Errorf("it holds more than %d values", maxValues)
	}
	return plain, nil
}

func gunzip(packed []byte) ([]byte, error) {
	unzip := decompressors.Get().(*gzip.Reader)
	defer decompressors.Put(unzip)
	if err := unzip.Reset(bytes.NewReader(packed)); err != nil {
		return nil, err
	}
	var plain bytes.Buffer
	n, err := plain.ReadFrom(io.LimitReader(unzip, maxPlain+1))
	if err != nil {
		return nil, err
	}
	if n > maxPlain {
		return nil, fmt.Errorf("it unpacks to more than %d MiB", maxPlain>>20)
	}
	return plain.Bytes(), nil
}

// count counts what takes memory of its own in a JSON document.
func count(plain []byte) int {
	n, text := 0, false
	for i := 0; i < len(plain); i++ {
		switch c := plain[i]; {
		case text && c == '\\':
			i++
		case c == '"':
			text = !text
		case !text && (c == ',' || c == '{' || c == '['):
			n++
		}
	}
	return n
}

// decompressors are kept for the next record: one takes 40 KiB.
var decompressors = sync.Pool{New: func() any { return new(gzip.Reader) }}

// compressors are kept for the next record, and are as few as can work at once: one
// takes 800 KiB, a hundred times what it writes.
var compressors = func() chan *gzip.Writer {
	all := make(chan *gzip.Writer, runtime.GOMAXPROCS(0))
	for range cap(all) {
		w, _ := gzip.NewWriterLevel(nil, gzip.BestCompression) // fails for unknown levels alone
		all <- w
	}
	return all
}()

// encode is decode's inverse: of a release, or of its JSON's parts.
func encode(rel any) ([]byte, error) {
	w := <-compressors
	defer func() { compressors <- w }()
	var b bytes.Buffer
	w.Reset(&b)
	if err := json.NewEncoder(w).Encode(rel); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return base64.StdEncoding.AppendEncode(nil, b.Bytes()), nil
}

// amend returns an encoded release with the status, the description and the hooks of
// rel. All else stays as it was, also what another version of Helm wrote and this one
// does not know.
func amend(body []byte, rel *release.Release) ([]byte, error) {
	plain, err := unpack(body)
	if err != nil {
		return nil, err
	}
	var all, info map[string]json.RawMessage
	if err := json.Unmarshal(plain, &all); err != nil {
		return nil, err
	}
	if old := all["info"]; old != nil {
		if err := json.Unmarshal(old, &info); err != nil {
			return nil, err
		}
	}
	if info == nil {
		info = map[string]json.RawMessage{}
	}
	set := func(in map[string]json.RawMessage, key string, value any) {
		if err == nil {
			in[key], err = json.Marshal(value)
		}
	}
	set(info, "status", rel.Info.Status)
	set(info, "description", rel.Info.Description)
	set(info, "deleted", rel.Info.Deleted)
	set(all, "info", info)
	if len(rel.Hooks) > 0 {
		set(all, "hooks", rel.Hooks)
	}
	if err != nil {
		return nil, err
	}
	return encode(all)
}
