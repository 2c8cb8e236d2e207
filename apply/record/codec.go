package record

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"io"
	"runtime"
	"sync"

	"helm.sh/helm/v3/pkg/release"
)

// decode reads Helm's encoding of a release: JSON, gzipped, in base64.
func decode(body []byte) (*release.Release, error) {
	raw := make([]byte, base64.StdEncoding.DecodedLen(len(body)))
	n, err := base64.StdEncoding.Decode(raw, body)
	if err != nil {
		return nil, err
	}
	var plain io.Reader = bytes.NewReader(raw[:n])
	if bytes.HasPrefix(raw, []byte{0x1f, 0x8b, 0x08}) {
		unzip := decompressors.Get().(*gzip.Reader)
		defer decompressors.Put(unzip)
		if err := unzip.Reset(plain); err != nil {
			return nil, err
		}
		plain = unzip
	}
	var rel release.Release
	if err := json.NewDecoder(plain).Decode(&rel); err != nil {
		return nil, err
	}
	if rel.Info == nil {
		rel.Info = &release.Info{}
	}
	return &rel, nil
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

// encode is decode's inverse.
func encode(rel *release.Release) ([]byte, error) {
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
