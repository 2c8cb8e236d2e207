package render_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
)

// entry is one entry of an archive.
type entry struct {
	name, text, link string
	kind             byte
}

var chartYAML = entry{name: "web/Chart.yaml", text: "apiVersion: v2\nname: web\nversion: 1.0.0\n"}

func archive(t *testing.T, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, e := range entries {
		if e.kind == 0 {
			e.kind = tar.TypeReg
		}
		if err := w.WriteHeader(&tar.Header{Name: e.name, Typeflag: e.kind, Linkname: e.link, Size: int64(len(e.text)), Mode: 0o600}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(e.text)); err != nil {
			t.Fatal(err)
		}
	}
	for _, close := range []func() error{w.Close, z.Close} {
		if err := close(); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

func TestPackedChartsThatAreRefused(t *testing.T) {
	t.Parallel()
	zeros := strings.Repeat("\x00", 5<<20)
	many := []entry{chartYAML}
	for i := range 10_001 {
		many = append(many, entry{name: fmt.Sprintf("web/files/%d", i)})
	}
	large := []entry{chartYAML}
	for i := range 21 {
		large = append(large, entry{name: fmt.Sprintf("web/files/%d", i), text: zeros})
	}
	bomb := string(archive(t, large[:7]...)) // two of these are too much, and each is small
	nested := string(archive(t, chartYAML))
	for range 8 {
		nested = string(archive(t, chartYAML, entry{name: "web/charts/web-1.0.0.tgz", text: nested}))
	}
	good := archive(t, chartYAML)
	for sentence, c := range map[string]struct {
		raw  []byte
		want string
	}{
		"a bomb":                       {archive(t, large...), "unpacks to more than 50 MiB"},
		"bombs in it":                  {archive(t, chartYAML, entry{name: "web/charts/a.tgz", text: bomb}, entry{name: "web/charts/b.tgz", text: bomb}), "unpacks to more than 50 MiB"},
		"archives in archives":         {[]byte(nested), "packed charts in packed charts more than 5 times"},
		"too many files":               {archive(t, many...), "more than 10000 files"},
		"a large file":                 {archive(t, chartYAML, entry{name: "web/x", text: zeros + "x"}), "web/x has more than 5 MiB"},
		"a path that leaves":           {archive(t, chartYAML, entry{name: "web/../../etc/passwd", text: "x"}), "web/../../etc/passwd leaves the chart's folder"},
		"one that leaves on Windows":   {archive(t, chartYAML, entry{name: `web\..\..\x`, text: "x"}), "leaves the chart's folder"},
		"an absolute path":             {archive(t, chartYAML, entry{name: "/etc/passwd", text: "x"}), "/etc/passwd has an absolute path"},
		"a symbolic link":              {archive(t, chartYAML, entry{name: "web/templates/x.yaml", kind: tar.TypeSymlink, link: "/etc/passwd"}), "web/templates/x.yaml is a link"},
		"a hard link":                  {archive(t, chartYAML, entry{name: "web/templates/x.yaml", kind: tar.TypeLink, link: "/etc/passwd"}), "web/templates/x.yaml is a link"},
		"a device":                     {archive(t, chartYAML, entry{name: "web/null", kind: tar.TypeChar}), "web/null is no regular file"},
		"a file that is there twice":   {archive(t, chartYAML, chartYAML), "it holds web/Chart.yaml twice"},
		"a link in an archive in it":   {archive(t, chartYAML, entry{name: "web/charts/db.tgz", text: string(archive(t, entry{name: "db/x", kind: tar.TypeSymlink, link: "y"}))}), "in web/charts/db.tgz: db/x is a link"},
		"what is no archive":           {[]byte("<html>"), "it is no packed chart"},
		"one that is cut off":          {good[:len(good)-20], "it is damaged"},
		"one without a Chart.yaml":     {archive(t, entry{name: "web/x"}), "Chart.yaml"},
		"one without its dependencies": {archive(t, entry{name: "web/Chart.yaml", text: chartYAML.text + "dependencies: [{name: db, version: 1.0.0, repository: \"https://example.com\"}]\n"}), "it was packed without its dependency db"},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			files := repo(t, environment("  namespace: prod\n  releases:\n    - {name: web, chart: charts/web-1.0.0.tgz}")).(fstest.MapFS)
			files["charts/web-1.0.0.tgz"] = &fstest.MapFile{Data: c.raw}
			_, _, err := prepareAll(files)
			if err == nil || !strings.Contains(err.Error(), "chart charts/web-1.0.0.tgz of release web: ") || !strings.Contains(err.Error(), c.want) {
				t.Errorf("have %v\nwant %s", err, c.want)
			}
			if sentence == "one without its dependencies" || sentence == "one without a Chart.yaml" {
				return
			}
			files = repo(t, environment("  namespace: prod\n  releases:\n    - {name: web, chart: charts/web}")).(fstest.MapFS)
			files["charts/web/charts/web-1.0.0.tgz"] = &fstest.MapFile{Data: c.raw}
			if _, _, err := prepareAll(files); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("vendored: have %v\nwant %s", err, c.want)
			}
		})
	}
}

// A packed chart renders as its folder does.
func TestAPackedChartInTheRepository(t *testing.T) {
	t.Parallel()
	files := repo(t, environment("  namespace: prod\n  releases:\n    - {name: web, chart: charts/web, values: [values.yaml]}")).(fstest.MapFS)
	folder, want, err := prepareAll(files)
	if err != nil {
		t.Fatal(err)
	}
	files["charts/web-1.0.0.tgz"] = &fstest.MapFile{Data: archive(t, entry{name: "web/Chart.yaml", text: string(files["charts/web/Chart.yaml"].Data)},
		entry{name: "web/templates/c.yaml", text: string(files["charts/web/templates/c.yaml"].Data)})}
	text := environment("  namespace: prod\n  releases:\n    - {name: web, chart: charts/web-1.0.0.tgz, values: [values.yaml]}")
	files["environments/prod/environment.yaml"] = &fstest.MapFile{Data: []byte(strings.SplitN(text, "\n", 2)[1])}
	file, have, err := prepareAll(files)
	if err != nil || have != want || file[0].Digest != folder[0].Digest {
		t.Errorf("%v\n%s\n%s", err, have, want)
	}
}
