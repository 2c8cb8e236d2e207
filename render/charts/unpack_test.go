package charts

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"testing"
)

// Whatever is sent for a packed chart, it is refused or stays within its bounds.
func FuzzUnpack(f *testing.F) {
	pack := func(name, text string) []byte {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		w := tar.NewWriter(z)
		for _, e := range [][2]string{{"web/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n"}, {name, text}} {
			_ = w.WriteHeader(&tar.Header{Name: e[0], Size: int64(len(e[1])), Mode: 0o600}) // a bad header makes a bad archive, which is fine here
			_, _ = w.Write([]byte(e[1]))
		}
		_, _ = w.Close(), z.Close()
		return b.Bytes()
	}
	inner := pack("web/values.yaml", "a: 1\n")
	f.Add(inner)
	f.Add(pack("web/charts/db.tgz", string(inner)))
	f.Add(pack("../x", ""))
	f.Fuzz(func(t *testing.T, raw []byte) {
		files, err := unpack(raw)
		if err != nil {
			return
		}
		if s := newChart(files); s.Size > maxUnpacked || len(s.Files) > maxFiles {
			t.Errorf("%d files, %d bytes", len(s.Files), s.Size)
		}
	})
}
