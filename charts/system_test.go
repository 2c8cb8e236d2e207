package charts_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// systemRelease is a release of environments/system.
type systemRelease struct {
	Name, Namespace, Chart, Version string
	Values, DependsOn               []string
}

func readYAML(t *testing.T, file string, into any) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err == nil {
		err = yaml.Unmarshal(raw, into)
	}
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

func systemReleases(t *testing.T) map[string]systemRelease {
	t.Helper()
	var environment struct {
		Spec struct{ Releases []systemRelease }
	}
	readYAML(t, "../environments/system/environment.yaml", &environment)
	out := map[string]systemRelease{}
	for _, r := range environment.Spec.Releases {
		out[r.Name] = r
	}
	return out
}

var pinned = regexp.MustCompile(`^v?[0-9]+\.[0-9]+\.[0-9]+(@sha256:[0-9a-f]{64})?$`)

// undigested are the charts whose digest could not be had.
var undigested = []string{"cert-manager", "kube-prometheus-stack"}

// The stack is the planned one, from public charts by version and digest, and what is made
// of another's kinds comes after it.
func TestTheSystemsEnvironmentIsWhatItSays(t *testing.T) {
	all := systemReleases(t)
	for _, name := range []string{"cert-manager", "kube-prometheus-stack", "metrics-server", "ingress-nginx", "issuers", "external-secrets", "loki", "alloy", "tempo", "velero"} {
		r, ok := all[name]
		if !ok {
			t.Errorf("release %s is missing", name)
			continue
		}
		if strings.HasPrefix(r.Chart, "charts/") {
			continue
		}
		if !strings.HasPrefix(r.Chart, "https://") || !pinned.MatchString(r.Version) || strings.Contains(r.Version, "@") == slices.Contains(undigested, name) {
			t.Errorf("%s: chart %s %s is not public and pinned", name, r.Chart, r.Version)
		}
		raw, err := os.ReadFile(filepath.Join("../environments/system", r.Values[0]))
		if err != nil {
			t.Fatal(err)
		}
		if monitored := regexp.MustCompile(`serviceMonitor: *\{enabled: true\}`).Match(raw); monitored && !after(all, name, "kube-prometheus-stack") {
			t.Errorf("%s brings a ServiceMonitor and does not wait for its kind", name)
		}
	}
	for _, on := range []string{"cert-manager", "ingress-nginx"} {
		if !after(all, "issuers", on) {
			t.Errorf("issuers does not wait for %s", on)
		}
	}
}

// after reports whether a release waits for another, if only by a third one.
func after(all map[string]systemRelease, name, on string) bool {
	return slices.ContainsFunc(all[name].DependsOn, func(d string) bool { return d == on || after(all, d, on) })
}

// What the tenant's Ingresses and NetworkPolicies count on is what the controller gives.
func TestTheIngressControllerFitsTheTenant(t *testing.T) {
	var controller struct {
		Controller struct{ Config map[string]string }
	}
	readYAML(t, "../environments/system/ingress-nginx.yaml", &controller)
	config := controller.Controller.Config
	if protocols := strings.Fields(config["ssl-protocols"]); !slices.Equal(protocols, []string{"TLSv1.2", "TLSv1.3"}) || config["ssl-redirect"] != "true" {
		t.Errorf("protocols %v, redirect %s", protocols, config["ssl-redirect"])
	}
	var backend struct {
		Ingress struct{ SecurityHeaders map[string]string }
	}
	readYAML(t, "../environments/production/xuangong-backend.yaml", &backend)
	allowed := strings.Split(config["global-allowed-response-headers"], ",")
	if len(backend.Ingress.SecurityHeaders) == 0 {
		t.Fatal("no header is found")
	}
	for name := range backend.Ingress.SecurityHeaders {
		if !slices.Contains(allowed, name) {
			t.Errorf("header %s of production is not allowed: the controller would answer 503", name)
		}
	}
	for _, chart := range []string{"xuangong-backend", "xuangong-app"} {
		var values struct {
			NetworkPolicy struct{ FromNamespaces []string }
		}
		readYAML(t, chart+"/values.yaml", &values)
		if in := systemReleases(t)["ingress-nginx"].Namespace; !slices.Contains(values.NetworkPolicy.FromNamespaces, in) {
			t.Errorf("%s lets in %v, and the controller runs in %s", chart, values.NetworkPolicy.FromNamespaces, in)
		}
	}
}

// amRoute is a route of Alertmanager's.
type amRoute struct {
	Receiver string
	Matchers []string
	Continue bool
	Routes   []amRoute
}

// matches is for the matchers that are used here: name, =, =~ and a quoted value.
func (r amRoute) matches(t *testing.T, labels map[string]string) bool {
	t.Helper()
	for _, m := range r.Matchers {
		parts := regexp.MustCompile(`^([a-z]+) (=~?) "([^"]*)"$`).FindStringSubmatch(m)
		if parts == nil {
			t.Fatalf("matcher %s can't be read", m)
		}
		have := labels[parts[1]]
		if parts[2] == "=" && have != parts[3] || parts[2] == "=~" && !regexp.MustCompile("^(?:"+parts[3]+")$").MatchString(have) {
			return false
		}
	}
	return true
}

// receivers are who is told of an alert, in Alertmanager's order.
func (r amRoute) receivers(t *testing.T, labels map[string]string) []string {
	t.Helper()
	var out []string
	for _, child := range r.Routes {
		if child.matches(t, labels) {
			out = append(out, child.receivers(t, labels)...)
			if !child.Continue {
				break
			}
		}
	}
	if len(out) == 0 {
		return []string{r.Receiver}
	}
	return out
}

// Alerts reach whom the README says; what is secret lies in files of a Secret that is mounted.
func TestAlertsAreRouted(t *testing.T) {
	var values struct {
		Alertmanager struct {
			AlertmanagerSpec struct{ Secrets []string }
			Config           struct {
				Global    map[string]any
				Route     amRoute
				Receivers []map[string]any
			}
		}
	}
	readYAML(t, "../environments/system/kube-prometheus-stack.yaml", &values)
	config := values.Alertmanager.Config
	for sentence, c := range map[string]struct{ name, severity, namespace, want string }{
		"critical in production":  {"ErrorRate", "critical", "xuangong-prod", "pagerduty email slack"},
		"critical of the agent":   {"TetherDown", "critical", "tether-system", "pagerduty email slack"},
		"critical in development": {"ErrorRate", "critical", "xuangong-dev", "email slack"},
		"a warning":               {"Volume", "warning", "xuangong-prod", "slack"},
		"information":             {"Info", "info", "xuangong-prod", "nobody"},
		"the watchdog":            {"Watchdog", "none", "xuangong-system", "nobody"},
		"without a severity":      {"Other", "", "xuangong-prod", "slack"},
	} {
		have := strings.Join(config.Route.receivers(t, map[string]string{"alertname": c.name, "severity": c.severity, "namespace": c.namespace}), " ")
		if have != c.want {
			t.Errorf("%s: %s, want %s", sentence, have, c.want)
		}
	}
	names := map[string]bool{}
	files := 0
	check := func(key string, value any) {
		text, _ := value.(string)
		if strings.HasSuffix(key, "_file") {
			files++
			if !strings.HasPrefix(text, "/etc/alertmanager/secrets/"+values.Alertmanager.AlertmanagerSpec.Secrets[0]+"/") {
				t.Errorf("%s: %s is not mounted", key, text)
			}
		} else if regexp.MustCompile(`password|routing_key|service_key|api_url`).MatchString(key) {
			t.Errorf("%s stands in git", key)
		}
	}
	for key, value := range config.Global {
		check(key, value)
	}
	for _, r := range config.Receivers {
		names[r["name"].(string)] = true
		for _, list := range r {
			all, _ := list.([]any)
			for _, one := range all {
				for key, value := range one.(map[string]any) {
					check(key, value)
				}
			}
		}
	}
	for _, name := range []string{"slack", "email", "pagerduty", "nobody"} {
		if !names[name] {
			t.Errorf("there is no receiver %s", name)
		}
	}
	if files != 3 {
		t.Errorf("%d secrets are found in files", files)
	}
}
