package report

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// names collects the names of metrics in a registry's place.
type names map[string]bool

var fqName = regexp.MustCompile(`fqName: "([^"]+)"`)

func (n names) Register(c prometheus.Collector) error {
	descs := make(chan *prometheus.Desc)
	go func() {
		defer close(descs)
		c.Describe(descs)
	}()
	for d := range descs {
		name := fqName.FindStringSubmatch(d.String())[1]
		n[name] = true
		if _, histogram := c.(*prometheus.HistogramVec); histogram {
			n[name+"_bucket"], n[name+"_sum"], n[name+"_count"] = true, true, true
		}
	}
	return nil
}

func (n names) MustRegister(all ...prometheus.Collector) {
	for _, c := range all {
		_ = n.Register(c) // which never fails
	}
}

func (names) Unregister(prometheus.Collector) bool { return false }

var used = regexp.MustCompile(`\btether_[a-z_]+\b`)

// What alerts, dashboards and documents ask of the agent is what it exports.
func TestWhatShipsAsksForWhatThereIs(t *testing.T) {
	known := names{}
	NewMetrics(known)
	for pattern, least := range map[string]int{
		"../../charts/tether/files/alerts.yaml":       1,
		"../../charts/tether/files/dashboards/*.json": 4,
		"../../docs/operations.md":                    1,
		"../../docs/health.md":                        1,
	} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) < least {
			t.Fatalf("%s: %d files, %v", pattern, len(files), err)
		}
		for _, file := range files {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			all := used.FindAllString(string(raw), -1)
			if len(all) == 0 {
				t.Errorf("%s asks for nothing", file)
			}
			for _, name := range all {
				if !known[name] && name != "tether_delivery_" {
					t.Errorf("%s: the agent exports no %s", file, name)
				}
			}
		}
	}
}

// Each metric is in a dashboard, and in the table of docs/operations.md.
func TestEachMetricIsShownSomewhere(t *testing.T) {
	known := names{}
	NewMetrics(known)
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	var shown strings.Builder
	files, err := filepath.Glob("../../charts/tether/files/dashboards/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		shown.Write(raw)
	}
	for name := range known {
		if strings.HasSuffix(name, "_sum") || strings.HasSuffix(name, "_count") || known[name+"_bucket"] {
			continue
		}
		if !strings.Contains(shown.String(), name) {
			t.Errorf("no dashboard shows %s", name)
		}
		if !strings.Contains(string(page), "`"+strings.TrimSuffix(name, "_bucket")) {
			t.Errorf("docs/operations.md does not tell of %s", name)
		}
	}
}
