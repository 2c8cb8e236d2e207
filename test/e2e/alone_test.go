package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/xetys/tether/test/faults"
)

// Of two agents that run once at the same time one writes; the other says who is at
// work, and leaves it the work.
func TestOfTwoAtOnceOneWrites(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "twice")
	w.environment("{name: web, chart: charts/web, values: [web.yaml]}")
	w.write("environments/prod/web.yaml", "tag: v1-slow\n")
	w.commit("First")
	var agents [2]*process
	var proxies [2]*faults.Proxy
	for i := range agents {
		proxy, through := proxied(t)
		proxies[i] = proxy
		agents[i] = w.agent(fmt.Sprint("data", i), append(through, "--once", "--identity", fmt.Sprint("agent-", i))...)
	}
	good, wrote := 0, 0
	for i, p := range agents {
		<-p.done
		// The Lease and its namespace are what they compete by.
		var writes []faults.Request
		for _, r := range proxies[i].Requests(faults.Match{Verbs: []string{"write"}}) {
			if r.Resource != "leases" && r.Name != w.name+"-system" && r.Code < 400 {
				writes = append(writes, r)
			}
		}
		if len(writes) > 0 {
			wrote++
			t.Logf("agent %d wrote\n%s", i, lines(writes))
		}
		switch {
		case p.cmd.ProcessState.Success():
			good++
		case !strings.Contains(p.text(), fmt.Sprint("agent-", 1-i)):
			t.Errorf("agent %d does not say who is at work: %s", i, p.text())
		}
	}
	if wrote != 1 || good < 1 {
		t.Errorf("%d agents wrote, and %d ended well; want one that wrote", wrote, good)
	}
	if n := w.last("web"); n != 1 {
		t.Errorf("the newest record is %d, want 1", n)
	}
}

// An agent that can't get its Lease says so once, in a metric that is there from the start, and
// in /readyz; so does one that loses it to another replica, which then tells of the
// environment alone.
func TestLeaseThatCantBeHadIsTold(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]faults.Fault{
		"forbidden": {Status: 403, Reason: "Forbidden", Message: `leases.coordination.k8s.io is forbidden: User "agent" cannot create resource "leases"`},
		"away":      {Reset: "before"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "lease"+name)
			w.environment("{name: web, chart: charts/web}")
			head := w.commit("First")
			proxy, through := proxied(t)
			rule := faults.Rule{Name: name, Match: faults.Match{Resources: []string{"leases"}}, Fault: fault}
			if err := proxy.Add(rule); err != nil {
				t.Fatal(err)
			}
			p := w.agent("data", append(through, "--listen", "127.0.0.1:0")...)
			m := w.metrics(p)
			if have, there := m()[`tether_leader{environment="prod"}`]; !there || have != 0 {
				t.Errorf("tether_leader is %v, there: %v; want 0 from the start", have, there)
			}
			told := func(text string) (n int) {
				for _, line := range strings.Split(p.text(), "\n") {
					if strings.Contains(line, text) && (strings.Contains(line, " WRN ") || strings.Contains(line, " ERR ")) {
						n++
					}
				}
				return n
			}
			failures := func() float64 { return m()[`tether_lease_failures_total{environment="prod"}`] }
			w.untilReady(p, false, "the Lease can't be had")
			w.eventually(func() error { // it tried again some times
				if failures() < 4 {
					return fmt.Errorf("%v failures are counted", failures())
				}
				return nil
			})
			if n := told("the Lease can't be had"); n != 1 {
				t.Errorf("it is told %d times", n)
			}
			proxy.Clear()
			w.await(head, "applied")
			w.untilReady(p, true, "")
			w.eventually(func() error {
				if have := m()[`tether_leader{environment="prod"}`]; have != 1 || len(w.shown(p)) < 5 {
					return fmt.Errorf("tether_leader is %v, of releases it shows %q", have, w.shown(p))
				}
				return nil
			})

			other := w.agent("other", "--listen", "127.0.0.1:0")
			counted := failures()
			if err := proxy.Add(rule); err != nil {
				t.Fatal(err)
			}
			w.eventually(func() error {
				if have := w.metrics(other)()[`tether_leader{environment="prod"}`]; have != 1 || len(w.shown(other)) < 5 {
					return fmt.Errorf("tether_leader of the other is %v, and it shows %q", have, w.shown(other))
				}
				return nil
			})
			if have := m()[`tether_leader{environment="prod"}`]; have != 0 {
				t.Errorf("tether_leader of who lost the lead is %v", have)
			}
			if shown := w.shown(p); len(shown) > 0 {
				t.Errorf("who lost the lead shows %q", shown)
			}
			if n := told("not leading any more"); n != 1 {
				t.Errorf("that the lead is lost is told %d times:\n%s", n, p.text())
			}
			if failures() <= counted {
				t.Errorf("%v failures are counted, as before", counted)
			}
			w.untilReady(p, false, "the Lease can't be had")
		})
	}
}

// untilReady waits until /readyz of an agent says so, or not and why.
func (w *world) untilReady(p *process, ready bool, why string) {
	w.t.Helper()
	w.eventually(func() error {
		code, body := get(w.t, "http://"+w.address(p)+"/readyz")
		if (code == http.StatusOK) != ready || !strings.Contains(body, why) {
			return fmt.Errorf("/readyz says %d: %s", code, body)
		}
		return nil
	})
}

// shown are the gauges that an agent shows of the environment, but for who leads it.
func (w *world) shown(p *process) []string {
	w.t.Helper()
	_, body := get(w.t, "http://"+w.address(p)+"/metrics")
	gauges, out := map[string]bool{}, []string(nil)
	for _, line := range strings.Split(body, "\n") {
		if f := strings.Fields(line); len(f) == 4 && f[1] == "TYPE" {
			gauges[f[2]] = f[3] == "gauge"
		}
		name, _, _ := strings.Cut(line, "{")
		if gauges[name] && name != "tether_leader" && strings.Contains(line, `environment="prod"`) {
			out = append(out, line)
		}
	}
	return out
}

func get(t *testing.T, url string) (code int, body string) {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(raw)
}

var listening = regexp.MustCompile(`listening address=(\S+)`)

// address is where an agent listens, once it does.
func (w *world) address(p *process) (address string) {
	w.t.Helper()
	w.eventually(func() error {
		m := listening.FindStringSubmatch(p.text())
		if m == nil {
			return fmt.Errorf("it does not listen")
		}
		address = m[1]
		return nil
	})
	return address
}

// metrics returns what reads an agent's metrics, once it listens.
func (w *world) metrics(p *process) func() map[string]float64 {
	w.t.Helper()
	address := w.address(p)
	return func() map[string]float64 {
		w.t.Helper()
		_, body := get(w.t, "http://"+address+"/metrics")
		all := map[string]float64{}
		for _, line := range strings.Split(body, "\n") {
			name, value, ok := cutLast(line)
			if n, err := strconv.ParseFloat(value, 64); ok && err == nil && !strings.HasPrefix(line, "#") {
				all[name] = n
			}
		}
		return all
	}
}

func cutLast(line string) (before, after string, found bool) {
	i := strings.LastIndex(line, " ")
	if i < 0 {
		return line, "", false
	}
	return line[:i], line[i+1:], true
}

// grows waits until the release is behind, and sees that it is so for longer and
// longer with nothing else happening.
func (w *world) grows(when string, metrics func() map[string]float64) {
	w.t.Helper()
	const series = `tether_release_behind_seconds{environment="prod",release="web"}`
	first := 0.0
	defer func() {
		if w.t.Failed() {
			w.t.Logf("%s: %v", when, metrics()[series])
		}
	}()
	w.within(10*time.Second, func() error {
		if first = metrics()[series]; first <= 0 {
			return fmt.Errorf("%s: %s is %v", when, series, first)
		}
		return nil
	})
	w.within(10*time.Second, func() error {
		if now := metrics()[series]; now < first+2 {
			return fmt.Errorf("%s: %s is %v, and was %v", when, series, now, first)
		}
		return nil
	})
}

// How far a release is behind grows while it rolls, is paused, went back or is held;
// also over a restart.
func TestBehindGrows(t *testing.T) {
	t.Parallel()
	steps := map[string]struct {
		tag, verdict string
		before       func(w *world)
	}{
		"rolling":    {"v2-neverready", "progressing", func(*world) {}},
		"paused":     {"v2", "held", func(w *world) { w.run("pause", "prod", "--for", "1h") }},
		"rolledback": {"v2-imagepullbackoff", "rolled-back", func(*world) {}},
		"refused":    {"v2\nreplicas: -1", "refused", func(*world) {}},
	}
	for name, step := range steps {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "behind"+name)
			w.environment("{name: web, chart: charts/web, values: [web.yaml], timeout: 10m}")
			w.write("environments/prod/web.yaml", "tag: v1\n")
			p := w.agent("data", "--listen", "127.0.0.1:0")
			m := w.metrics(p)
			w.await(w.commit("First"), "applied")
			step.before(w)
			w.write("environments/prod/web.yaml", "tag: "+step.tag+"\n")
			head := w.commit("Second")
			w.await(head, step.verdict)
			w.grows(step.verdict, m)
			p.kill()
			p = w.agent("data", "--listen", "127.0.0.1:0")
			m = w.metrics(p)
			w.grows("after a restart", m)
			if name == "paused" {
				w.run("resume", "prod")
			}
			w.write("environments/prod/web.yaml", "tag: v3\n")
			w.await(w.commit("Third"), "applied")
			w.within(10*time.Second, func() error {
				if behind := m()[`tether_release_behind_seconds{environment="prod",release="web"}`]; behind != 0 {
					return fmt.Errorf("it is behind for %v when it is not", behind)
				}
				return nil
			})
		})
	}
}

// Counters are there, at 0, before anything happens, with each verdict; and every
// verdict counts.
func TestEveryVerdictIsCounted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "counted")
	w.environment("{name: web, chart: charts/web, values: [web.yaml], timeout: 10m}")
	w.write("environments/prod/web.yaml", "tag: v1\n")
	p := w.agent("data", "--listen", "127.0.0.1:0")
	m := w.metrics(p)
	w.await(w.commit("First"), "applied")
	count := func(verdict string) (float64, bool) {
		n, there := m()[fmt.Sprintf("tether_deploys_total{environment=%q,verdict=%q}", "prod", verdict)]
		return n, there
	}
	for _, verdict := range []string{"no-op", "failed", "rolled-back", "superseded", "refused"} {
		if n, there := count(verdict); !there || n != 0 {
			t.Errorf("deploys %s before any: %v, there: %v; want 0", verdict, n, there)
		}
	}
	for _, series := range []string{`tether_rollbacks_total{cause="failure",environment="prod",release="web"}`, `tether_rollbacks_total{cause="git",environment="prod",release="web"}`,
		`tether_drift_corrections_total{environment="prod",release="web"}`, `tether_drift_fights_total{environment="prod",release="web"}`} {
		if n, there := m()[series]; !there || n != 0 {
			t.Errorf("%s before any: %v, there: %v; want 0", series, n, there)
		}
	}
	step := func(tag, verdict string) {
		t.Helper()
		if tag != "" {
			w.write("environments/prod/web.yaml", "tag: "+tag+"\n")
		}
		w.await(w.commit("To be "+verdict), verdict)
	}
	step("", "no-op")
	step("v2\nreplicas: -1", "refused")
	step("v3-imagepullbackoff", "rolled-back")
	step("v4-neverready", "progressing")
	step("v5", "applied")
	w.environment("{name: web, chart: charts/web, values: [web.yaml], onFailure: hold}")
	step("v6-imagepullbackoff", "failed")
	for verdict, want := range map[string]float64{"applied": 2, "no-op": 1, "failed": 1, "rolled-back": 1, "superseded": 1, "refused": 1} {
		w.within(10*time.Second, func() error {
			if n, _ := count(verdict); n != want {
				return fmt.Errorf("deploys %s: %v, want %v", verdict, n, want)
			}
			return nil
		})
	}
}
