package record

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"helm.sh/helm/v3/pkg/release"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/xetys/tether/render/manifest"
)

// What a chart says of itself is told in bounds, and recorded as it stands in the chart.
func TestWhatAChartSaysIsToldInBounds(t *testing.T) {
	long := "1.0.0+" + strings.Repeat("x", 1<<20)
	rel := web("d")
	rel.Chart = manifest.Chart{Name: long, Version: long, AppVersion: "\x1b[2J\n" + long}
	s := NewStore(fake.NewClientset(), nil, atOnce)
	r := New(rel, nil, Install, "production", "c", time.Now())
	if err := s.Create(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if err := s.Finish(t.Context(), r, Good, release.StatusDeployed, long); err != nil {
		t.Fatal(err)
	}
	all, err := s.List(t.Context(), "prod")
	if err != nil {
		t.Fatal(err)
	}
	have := all["web"][0]
	for what, text := range map[string]string{"name": have.ChartName(), "version": have.ChartVersion(), "appVersion": have.AppVersion()} {
		if n := utf8.RuneCountInString(text); n > maxTold || n < 100 || strings.ContainsAny(text, "\x1b\n") {
			t.Errorf("%s: %d runes: %.100q", what, n, text)
		}
	}
	if n := len(have.Description()); n > maxDescription+10 {
		t.Errorf("its description has %d bytes", n)
	}
	if m, err := have.Manifest(nil); err != nil || m.Chart != rel.Chart {
		t.Errorf("the chart is another than it was: %v", err)
	}
}
