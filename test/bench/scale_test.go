package bench

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// row is one line of the table.
type row struct {
	what        string
	took, floor time.Duration
	settled     time.Duration // the floor, and until the cluster's controllers had done their part
	cpu         time.Duration
	peak        int // KiB
	requests    map[string]int
}

// scaleChart is a release of four objects, none of which has a pod.
const scaleChart = `apiVersion: apps/v1
kind: Deployment
metadata: {name: {{ .Release.Name }}, labels: {app: {{ .Release.Name }}}}
spec:
  replicas: 0
  selector: {matchLabels: {app: {{ .Release.Name }}}}
  template:
    metadata: {labels: {app: {{ .Release.Name }}}}
    spec:
      serviceAccountName: {{ .Release.Name }}
      containers: [{name: web, image: "example.com/web:{{ .Values.tag }}", ports: [{name: http, containerPort: 8080}], resources: {requests: {cpu: 10m, memory: 32Mi}}}]
---
apiVersion: v1
kind: Service
metadata: {name: {{ .Release.Name }}}
spec: {selector: {app: {{ .Release.Name }}}, ports: [{name: http, port: 80, targetPort: http}]}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: {{ .Release.Name }}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: {{ .Release.Name }}}
spec:
  rules: [{host: {{ .Release.Name }}.example.com, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: {{ .Release.Name }}, port: {name: http}}}}]}}]
`

// scale is a site of many small releases.
type scale struct {
	*site
	n        int
	interval string
	address  string // of the agent's HTTP server
	agent    *exec.Cmd
	rows     []row
	dyn      dynamic.Interface
}

// BenchmarkScale takes environments of many releases (TETHER_BENCH_RELEASES, 100 and
// 1,000) through their life, each step beside the same objects sent raw, 16 at a
// time, and prints a table for each, and what the size adds to the cost of a release.
// Pushes are announced, as a git host does it.
func BenchmarkScale(b *testing.B) {
	for range b.N {
		perRelease := map[string][]time.Duration{}
		for text := range strings.SplitSeq(cmp.Or(os.Getenv("TETHER_BENCH_RELEASES"), "100,1000"), ",") {
			n, err := strconv.Atoi(text)
			if err != nil {
				b.Fatal(err)
			}
			s := newScale(b, n)
			s.life()
			s.print()
			for _, r := range s.rows[:2] {
				perRelease[r.what] = append(perRelease[r.what], r.took/time.Duration(n))
			}
		}
		for what, each := range perRelease {
			fmt.Printf("%s, for each release: %v, the last %.2f times the first\n", what, each, float64(each[len(each)-1])/float64(each[0]))
		}
	}
}

func newScale(b *testing.B, n int) *scale {
	s := &scale{site: newSite(b, "scale"), n: n, interval: "30s"}
	l, err := net.Listen("tcp", "127.0.0.1:0") // an address that is free
	if err != nil {
		b.Fatal(err)
	}
	s.address = l.Addr().String()
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
	if s.dyn, err = dynamic.NewForConfig(s.c.Config); err != nil {
		b.Fatal(err)
	}
	s.write("charts/web/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n")
	s.write("charts/web/templates/all.yaml", scaleChart)
	text := "apiVersion: tether.stytex.cloud/v1\nkind: Environment\nmetadata: {name: bench}\nspec:\n  namespace: " + s.name + "\n  releases:\n"
	for i := range n {
		text += fmt.Sprintf("    - {name: r%d, chart: charts/web, values: [r%d.yaml]}\n", i, i)
	}
	s.write("environments/bench/environment.yaml", text)
	return s
}

func (s *scale) life() {
	floor, settled := s.floor("v1")
	head := s.bump("v1", s.n)
	s.measure("install of all", floor, head, s.start)
	s.rows[0].settled = settled
	floor, settled = s.floor("v2")
	s.measure("upgrade of all", floor, "", func() { s.until(s.bump("v2", s.n)) })
	s.rows[1].settled = settled
	one := s.floorOf("v3", 1)
	s.measure("bump of one", one, "", func() { s.until(s.bump("v3", 1)) })
	s.measure("hand edit put back", one, "", s.edit)
	s.measure("20 hand edits, the slowest", one, "", nil)
	s.rows[len(s.rows)-1].took = s.edits(20)
	s.stop()
	s.measure("restart until in sync", s.rows[0].took, s.bump("v3", 1), s.start)
	time.Sleep(5 * time.Second) // until it is at rest
	rest := time.Minute
	if text := os.Getenv("TETHER_BENCH_REST"); text != "" {
		var err error
		if rest, err = time.ParseDuration(text); err != nil {
			s.b.Fatal(err)
		}
	}
	s.page()
	s.measure("at rest for "+rest.String(), 0, "", func() { time.Sleep(rest) }) // what is measured is that time
	s.stop()
}

// page measures what a browser waits for: the page of the environment.
func (s *scale) page() {
	var all []time.Duration
	bytes := 0
	for range 9 {
		began := time.Now()
		answer, err := http.Get("http://" + s.address + "/environments/bench")
		if err != nil {
			s.b.Fatal(err)
		}
		raw, err := io.ReadAll(answer.Body)
		if err = errors.Join(err, answer.Body.Close()); err != nil || answer.StatusCode != http.StatusOK {
			s.b.Fatalf("the page: %s, %v", answer.Status, err)
		}
		all, bytes = append(all, time.Since(began)), len(raw)
	}
	slices.Sort(all)
	s.measure(fmt.Sprintf("the environment's page, %d KiB, median", bytes/1024), 0, "", nil)
	s.rows[len(s.rows)-1].took = all[len(all)/2]
}

// bump commits a tag for the first n releases.
func (s *scale) bump(tag string, n int) string {
	for i := range n {
		s.write(fmt.Sprintf("environments/bench/r%d.yaml", i), "tag: "+tag+"\n")
	}
	s.git("-C", s.work, "add", "--all")
	s.git("-C", s.work, "commit", "--quiet", "--allow-empty", "--message", tag)
	s.git("-C", s.work, "push", "--quiet", s.bare, "HEAD:main")
	s.announce()
	out, err := exec.Command("git", "-C", s.work, "rev-parse", "HEAD").Output()
	if err != nil {
		s.b.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

const webhookSecret = "known-to-both"

// announce tells the agent, if there is one, of a push.
func (s *scale) announce() {
	if s.agent == nil {
		return
	}
	body := []byte("{}")
	mac := hmac.New(sha256.New, []byte(webhookSecret))
	mac.Write(body)
	r, err := http.NewRequest(http.MethodPost, "http://"+s.address+"/webhook", bytes.NewReader(body))
	if err != nil {
		s.b.Fatal(err)
	}
	r.Header.Set("X-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		s.b.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusAccepted {
		s.b.Fatalf("the webhook answers %s", answer.Status)
	}
}

func (s *scale) start() {
	secret := filepath.Join(s.dir, "secret")
	if err := os.WriteFile(secret, []byte(webhookSecret), 0o600); err != nil {
		s.b.Fatal(err)
	}
	s.agent = s.site.agent("--interval", s.interval, "--listen", s.address, "--api", "loopback", "--profiling", "--webhook-secret-file", secret)
	if err := s.agent.Start(); err != nil {
		s.b.Fatal(err)
	}
	s.b.Cleanup(s.stop)
}

func (s *scale) stop() {
	if s.agent != nil {
		_ = s.agent.Process.Kill() // it may be gone
		_ = s.agent.Wait()
		s.agent = nil
	}
}

// until waits until the ledger says that a commit is live.
func (s *scale) until(head string) {
	deadline := time.Now().Add(20 * time.Minute)
	for time.Now().Before(deadline) {
		m, err := s.c.Kube.CoreV1().ConfigMaps(s.name+"-system").Get(context.Background(), "tether-bench", metav1.GetOptions{})
		var l struct {
			Entries []struct{ Commit, Verdict, Reason string }
		}
		if err == nil && json.Unmarshal([]byte(m.Data["ledger.json"]), &l) == nil && len(l.Entries) > 0 {
			e := l.Entries[len(l.Entries)-1]
			if e.Commit == head && (e.Verdict == "applied" || e.Verdict == "no-op") {
				return
			}
			if e.Commit == head && (e.Verdict == "failed" || e.Verdict == "refused" || e.Verdict == "rolled-back") {
				s.b.Fatalf("%s: %s", e.Verdict, e.Reason)
			}
		}
		time.Sleep(20 * time.Millisecond) // between two looks at a condition
	}
	s.b.Fatalf("commit %s is not live", head)
}

// measure runs a step of the agent's and notes what it cost. With a head it waits
// for that to be live.
func (s *scale) measure(what string, floor time.Duration, head string, do func()) {
	began := time.Now()
	cpu := s.cpu()
	profiled := s.profile(what)
	if do != nil {
		do()
	}
	if head != "" {
		s.until(head)
	}
	took := time.Since(began)
	profiled()
	if s.agent != nil && head != "" {
		cpu = 0
	}
	s.rows = append(s.rows, row{what: what, took: took, floor: floor, cpu: s.cpu() - cpu, peak: s.peak(), requests: s.verbs(began)})
}

// profile keeps a profile of what the agent does during a step, and of its memory at
// the end, in the folder TETHER_BENCH_PROFILES; the function ends it.
func (s *scale) profile(step string) func() {
	folder := os.Getenv("TETHER_BENCH_PROFILES")
	if folder == "" {
		return func() {}
	}
	name := filepath.Join(folder, strings.ReplaceAll(step, " ", "-"))
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ctx.Err() == nil; i++ { // one that is cut off would be lost
			s.fetch(fmt.Sprintf("%s-%d.cpu", name, i), "/debug/pprof/profile?seconds=4")
		}
	})
	return func() {
		cancel()
		s.fetch(name+".heap", "/debug/pprof/heap")
		wg.Wait()
	}
}

// fetch keeps what the agent's HTTP server answers in a file, if it answers.
func (s *scale) fetch(file, path string) {
	answer, err := http.Get("http://" + s.address + path)
	if err != nil {
		time.Sleep(100 * time.Millisecond) // it is not up yet
		return
	}
	defer answer.Body.Close()
	raw, err := io.ReadAll(answer.Body)
	if err == nil {
		err = os.WriteFile(file, raw, 0o600)
	}
	if err != nil {
		s.b.Error(err)
	}
}

// ticks is the unit of /proc/PID/stat on every Linux that Go runs on.
const ticks = 10 * time.Millisecond

// cpu is what the agent has used so far, with the processes that render for it: those
// that ended, and those that run.
func (s *scale) cpu() time.Duration {
	if s.agent == nil {
		return 0
	}
	all, parent := time.Duration(0), s.agent.Process.Pid
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		s.b.Fatal(err)
	}
	for _, name := range stats {
		raw, err := os.ReadFile(name)
		if err != nil {
			continue // it ended
		}
		pid, rest, _ := strings.Cut(string(raw), " ")
		_, rest, _ = strings.Cut(rest, ") ")
		f := strings.Fields(rest)
		if pid != strconv.Itoa(parent) && f[1] != strconv.Itoa(parent) {
			continue
		}
		for _, text := range f[11:15] { // user, system, and those of children that ended
			n, err := strconv.Atoi(text)
			if err != nil {
				s.b.Fatal(err)
			}
			all += time.Duration(n) * ticks
		}
	}
	return all
}

func (s *scale) peak() int {
	if s.agent == nil {
		return 0
	}
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", s.agent.Process.Pid))
	if err != nil {
		s.b.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			n, err := strconv.Atoi(strings.Fields(text)[0])
			if err != nil {
				s.b.Fatal(err)
			}
			return n
		}
	}
	return 0
}

// verbs counts what the agent asked of the API server since a moment, by verb.
func (s *scale) verbs(since time.Time) map[string]int {
	f, err := os.Open(s.c.AuditLog)
	if err != nil {
		s.b.Fatal(err)
	}
	defer f.Close()
	out := map[string]int{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e struct {
			UserAgent, Verb, RequestURI, Stage string
			RequestReceivedTimestamp           time.Time
			ObjectRef                          struct{ Resource string }
		}
		if json.Unmarshal(lines.Bytes(), &e) != nil || e.UserAgent != "tether" || !e.RequestReceivedTimestamp.After(since) || e.Stage != "ResponseComplete" {
			continue
		}
		verb := e.Verb
		switch {
		case e.ObjectRef.Resource == "leases":
			verb = "lease"
		case strings.Contains(e.RequestURI, "dryRun=All"):
			verb = "dry-run"
		case e.ObjectRef.Resource == "secrets" && (verb == "create" || verb == "update"):
			verb = "record"
		}
		out[verb]++
	}
	return out
}

// floor sends the objects of all releases raw, and then waits until the cluster's
// controllers have seen each Deployment: no agent that waits for health can be
// done before.
func (s *scale) floor(tag string) (sent, settled time.Duration) {
	began := time.Now()
	sent = s.floorOf(tag, s.n)
	for {
		list, err := s.c.Kube.AppsV1().Deployments(s.name+"-floor").List(context.Background(), metav1.ListOptions{})
		if err != nil {
			s.b.Fatal(err)
		}
		if !slices.ContainsFunc(list.Items, func(d appsv1.Deployment) bool { return d.Status.ObservedGeneration < d.Generation }) {
			return sent, time.Since(began)
		}
		time.Sleep(100 * time.Millisecond) // between two looks at a condition
	}
}

// floorOf sends the objects of n releases raw, 16 at a time.
func (s *scale) floorOf(tag string, n int) time.Duration {
	ns := s.name + "-floor"
	_, err := s.c.Kube.CoreV1().Namespaces().Create(context.Background(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}}, metav1.CreateOptions{})
	if err != nil && !strings.Contains(err.Error(), "already exists") {
		s.b.Fatal(err)
	}
	resources := map[string]schema.GroupVersionResource{
		"Deployment": {Group: "apps", Version: "v1", Resource: "deployments"}, "Service": {Version: "v1", Resource: "services"},
		"ServiceAccount": {Version: "v1", Resource: "serviceaccounts"}, "Ingress": {Group: "networking.k8s.io", Version: "v1", Resource: "ingresses"},
	}
	var objects []*unstructured.Unstructured
	for i := range n {
		text := strings.NewReplacer("{{ .Release.Name }}", fmt.Sprintf("r%d", i), "{{ .Values.tag }}", tag).Replace(scaleChart)
		for _, doc := range strings.Split(text, "---\n") {
			u := &unstructured.Unstructured{}
			if err := yaml.Unmarshal([]byte(doc), &u.Object); err != nil {
				s.b.Fatal(err)
			}
			objects = append(objects, u)
		}
	}
	started := time.Now()
	var wg sync.WaitGroup
	slots := make(chan struct{}, 16)
	for _, u := range objects {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if _, err := s.dyn.Resource(resources[u.GetKind()]).Namespace(ns).Apply(context.Background(), u.GetName(), u, metav1.ApplyOptions{FieldManager: "floor"}); err != nil {
				s.b.Error(err)
			}
		})
	}
	wg.Wait()
	return time.Since(started)
}

// edit changes an object by hand and returns when it is as it was.
func (s *scale) edit() { s.editOf("r0") }

func (s *scale) editOf(name string) {
	services := s.c.Kube.CoreV1().Services(s.name)
	w, err := services.Watch(context.Background(), metav1.ListOptions{FieldSelector: "metadata.name=" + name})
	if err != nil {
		s.b.Fatal(err)
	}
	defer w.Stop()
	if _, err := services.Patch(context.Background(), name, types.MergePatchType, []byte(`{"spec":{"selector":{"app":"mallory"}}}`),
		metav1.PatchOptions{FieldManager: "mallory"}); err != nil {
		s.b.Fatal(err)
	}
	late, spoilt := time.After(time.Minute), false
	for {
		select {
		case e := <-w.ResultChan():
			o, ok := e.Object.(*corev1.Service)
			bad := ok && o.Spec.Selector["app"] == "mallory"
			if spoilt && ok && !bad {
				return
			}
			spoilt = spoilt || bad
		case <-late:
			s.b.Fatal("not put back within a minute")
		}
	}
}

func (s *scale) edits(n int) time.Duration {
	var all []time.Duration
	for i := range n {
		began := time.Now()
		s.editOf(fmt.Sprintf("r%d", i*s.n/n))
		all = append(all, time.Since(began))
	}
	return slices.Max(all)
}

func (s *scale) print() {
	var out strings.Builder
	t := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "%d RELEASES\tTOOK\tFLOOR\tRATIO\tSETTLED\tRATIO\tCPU\tPEAK\tREQUESTS\n", s.n)
	for _, r := range s.rows {
		ratio := func(floor time.Duration) string {
			if floor == 0 {
				return "-\t-"
			}
			return fmt.Sprintf("%s\t%.2f", floor.Round(time.Millisecond), float64(r.took)/float64(floor))
		}
		var verbs []string
		for v, n := range r.requests {
			verbs = append(verbs, fmt.Sprintf("%s %d", v, n))
		}
		slices.Sort(verbs)
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%d MiB\t%s\n", r.what, r.took.Round(time.Millisecond), ratio(r.floor), ratio(r.settled),
			r.cpu.Round(10*time.Millisecond), r.peak/1024, strings.Join(verbs, ", "))
	}
	t.Flush()
	fmt.Println(out.String())
	s.b.ReportMetric(float64(s.rows[0].took)/float64(s.rows[0].floor), "install-x-floor")
	s.b.ReportMetric(float64(s.rows[1].took)/float64(s.rows[1].floor), "upgrade-x-floor")
}
