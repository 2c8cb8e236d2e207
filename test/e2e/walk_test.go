package e2e_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/xetys/tether/test/cluster"
)

// marker is in every secret value of the walk, and must be nowhere but in
// Secrets.
const marker = "Geheimnis"

// steps is how long the walk is by default; TETHER_WALK_STEPS asks for another
// length, and TETHER_WALK_SEED for a walk that was taken before.
const steps = 40

// A random walk through all that people and machines do to an agent ends, at every
// quiet moment, with the cluster as git and the ledger say, no orphan, no lost
// record, one verdict a commit, and no secret told.
func TestRandomWalk(t *testing.T) {
	t.Parallel()
	n, seed := steps, rand.Uint64()
	if text := os.Getenv("TETHER_WALK_STEPS"); text != "" {
		n = atoi(t, text)
	}
	if text := os.Getenv("TETHER_WALK_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("TETHER_WALK_STEPS=%d TETHER_WALK_SEED=%d", n, seed)
	w := newWalk(t, rand.New(rand.NewPCG(seed, 1)))
	w.quiet()
	for i := range n {
		w.step()
		if i%8 == 7 || i == n-1 {
			w.quiet()
		}
	}
}

func atoi(t *testing.T, text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// walk is a world with an agent, and what git asks for in it.
type walk struct {
	*world
	chance  *rand.Rand
	process *process
	listen  string
	outputs []string // what the agents before said
	version int
	want    map[string]input // by release
	broken  bool             // environment.yaml can't be read
	log     []string
}

// input is what git asks of one release.
type input struct {
	version int
	fault   string // of the values: nothing, "fail" for a Job that fails, "refuse" for what the API server won't have
}

var names = []string{"db", "api", "app", "worker"}

// needs is what a release depends on.
var needs = map[string]string{"api": "db", "app": "api"}

func newWalk(t *testing.T, chance *rand.Rand) *walk {
	w := &walk{world: newWorldOn(t, "walk", cluster.Start(t)), chance: chance, want: map[string]input{}}
	w.patience = 6 * time.Minute // a control plane whose API server is killed again and again takes its time
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.listen = l.Addr().String()
	l.Close()
	w.write("charts/walk/Chart.yaml", "apiVersion: v2\nname: walk\nversion: 1.0.0\n")
	w.write("charts/walk/templates/all.yaml", walkChart)
	for _, name := range names {
		w.want[name] = input{}
	}
	w.commit("The chart")
	w.put("Begin")
	w.start()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s", w.tetherRun("status", "prod"))
			t.Logf("the walk:\n%s", strings.Join(w.log, "\n"))
		}
	})
	return w
}

const walkChart = `apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}}
data: {version: {{ .Values.version | quote }}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}-extra-{{ .Values.version }}}
---
apiVersion: v1
kind: Secret
metadata: {name: {{ .Release.Name }}}
stringData: {password: {{ .Values.password | quote }}, generated: {{ printf "Geheimnis%s" (randAlphaNum 9) | quote }}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: {{ .Release.Name }}}
spec:
  replicas: {{ .Values.replicas }}
  selector: {matchLabels: {app: {{ .Release.Name }}}}
  template:
    metadata: {labels: {app: {{ .Release.Name }}}}
    spec: {containers: [{name: web, image: "example.com/web:v{{ .Values.version }}"}]}
---
apiVersion: batch/v1
kind: Job
metadata: {name: {{ .Release.Name }}}
spec:
  backoffLimit: 0
  template: {spec: {restartPolicy: Never, containers: [{name: job, image: "example.com/job:{{ .Values.job }}"}]}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: {{ .Release.Name }}-hook, annotations: {helm.sh/hook: "pre-install,pre-upgrade,pre-rollback,pre-delete"}}
spec:
  template: {spec: {restartPolicy: Never, containers: [{name: job, image: "example.com/hook:v{{ .Values.version }}", env: [{name: PASSWORD, value: "x"}]}]}}
`

// put writes and commits what git asks for.
func (w *walk) put(subject string) {
	w.t.Helper()
	var releases []string
	for _, name := range slices.Sorted(maps.Keys(w.want)) {
		in := w.want[name]
		needs := needs[name]
		if _, there := w.want[needs]; !there {
			needs = ""
		}
		releases = append(releases, fmt.Sprintf("{name: %s, chart: charts/walk, values: [%s.yaml], timeout: 4m, dependsOn: [%s]}", name, name, needs))
		replicas, job := 1, "v1"
		switch in.fault {
		case "fail":
			job = "v1-jobfail"
		case "refuse":
			replicas = -1
		}
		w.write("environments/prod/"+name+".yaml", fmt.Sprintf("version: %d\npassword: %s-%s-%d\nreplicas: %d\njob: %s\n", in.version, marker, name, in.version, replicas, job))
	}
	if w.broken {
		releases = append(releases, "{name: broken, chart: charts/nowhere}")
	}
	w.environment(releases...)
	raw, err := json.Marshal(w.want)
	if err != nil {
		w.t.Fatal(err)
	}
	w.write("want.json", fmt.Sprintf(`{"broken": %v, "want": %s}`, w.broken, raw))
	w.commit(subject)
}

func (in input) MarshalJSON() ([]byte, error) {
	return json.Marshal(fmt.Sprintf("%d %s", in.version, in.fault))
}

func (in *input) UnmarshalJSON(raw []byte) error {
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return err
	}
	version, fault, _ := strings.Cut(text, " ")
	in.fault = fault
	var err error
	in.version, err = strconv.Atoi(version)
	return err
}

// reread takes from the working tree what git asks for now.
func (w *walk) reread() {
	w.t.Helper()
	raw, err := os.ReadFile(filepath.Join(w.work, "want.json"))
	if err != nil {
		w.t.Fatal(err)
	}
	var doc struct {
		Broken bool
		Want   map[string]input
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		w.t.Fatal(err)
	}
	w.broken, w.want = doc.Broken, doc.Want
}

func (w *walk) start() {
	w.process = w.agent("data", "--listen", w.listen, "--log-level", "debug")
}

func (w *walk) restart() {
	w.process.kill()
	w.outputs = append(w.outputs, w.process.text())
	w.start()
}

func (w *walk) one() string {
	all := slices.Sorted(maps.Keys(w.want))
	if len(all) == 0 {
		return ""
	}
	return all[w.chance.IntN(len(all))]
}

// step does one thing, or nothing if it is not possible now, and lets some time
// pass.
func (w *walk) step() {
	w.t.Helper()
	all := w.moves()
	m := all[w.chance.IntN(len(all))]
	w.log = append(w.log, time.Now().Format("15:04:05.000 ")+m.name)
	m.do()
	time.Sleep(time.Duration(w.chance.IntN(700)) * time.Millisecond) // the moment is what varies
}

type move struct {
	name string
	do   func()
}

func (w *walk) moves() []move {
	return []move{
		{"bump", func() { w.set("") }}, {"bump", func() { w.set("") }}, {"bump", func() { w.set("") }},
		{"fail", func() { w.set("fail") }},
		{"refuse", func() { w.set("refuse") }},
		{"break", func() { w.broken = true; w.put("Break it") }},
		{"mend", w.mend}, {"mend", w.mend},
		{"drop", w.drop},
		{"add", w.add},
		{"revert", w.revert}, {"revert", w.revert},
		{"reset", w.reset},
		{"edit", w.edit}, {"edit", w.edit},
		{"edit secret", w.editSecret},
		{"delete", w.delete}, {"delete", w.delete},
		{"pause", func() { w.tetherRun("pause", "prod", "--for", "2s", "--reason", "walk") }},
		{"pause one", w.pauseOne},
		{"sync", func() { w.tetherRun("sync", "prod") }},
		{"retry", func() { w.tetherRun("sync", "prod", "--retry") }},
		{"kill", w.restart}, {"kill", w.restart},
		{"restart the API server", w.restartServer},
		{"git away", w.gitAway},
	}
}

func (w *walk) set(fault string) {
	name := w.one()
	if name == "" {
		return
	}
	w.version++
	w.want[name] = input{w.version, fault}
	w.put(fmt.Sprintf("%s %s %d", name, fault, w.version))
}

func (w *walk) mend() {
	w.broken = false
	for name, in := range w.want {
		if in.fault != "" {
			w.version++
			w.want[name] = input{w.version, ""}
		}
	}
	w.put("Mend")
}

func (w *walk) drop() {
	if len(w.want) < 2 {
		return
	}
	delete(w.want, w.one())
	w.put("Drop")
}

func (w *walk) add() {
	for _, name := range names {
		if _, there := w.want[name]; !there {
			w.version++
			w.want[name] = input{w.version, ""}
			w.put("Add " + name)
			return
		}
	}
}

func (w *walk) revert() {
	if w.git("-C", w.work, "diff", "--name-only", "HEAD~1") == "" || atoi(w.t, w.git("-C", w.work, "rev-list", "--count", "HEAD")) < 3 {
		return // git has nothing to revert
	}
	w.git("-C", w.work, "revert", "--no-edit", "HEAD")
	w.pushed()
}

func (w *walk) reset() {
	back := 1 + w.chance.IntN(3)
	if n := atoi(w.t, w.git("-C", w.work, "rev-list", "--count", "HEAD")); n < back+3 {
		return
	}
	w.git("-C", w.work, "reset", "--quiet", "--hard", fmt.Sprintf("HEAD~%d", back))
	w.pushed()
}

func (w *walk) pushed() {
	w.git("-C", w.work, "push", "--quiet", "--force", "origin", "HEAD:main")
	w.reread()
}

func (w *walk) edit() {
	patch := []byte(`{"spec": {"replicas": 3}}`)
	_, err := w.cluster.Kube.AppsV1().Deployments(w.name).Patch(w.t.Context(), w.any(), types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "mallory"})
	w.mayMiss(err)
}

func (w *walk) editSecret() {
	patch := []byte(`{"stringData": {"password": "` + marker + `-of-mallory"}}`)
	_, err := w.cluster.Kube.CoreV1().Secrets(w.name).Patch(w.t.Context(), w.any(), types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "mallory"})
	w.mayMiss(err)
}

func (w *walk) delete() {
	core, name, now := w.cluster.Kube.CoreV1(), w.any(), metav1.DeleteOptions{}
	switch w.chance.IntN(4) {
	case 0:
		w.mayMiss(core.ConfigMaps(w.name).Delete(w.t.Context(), name, now))
	case 1:
		w.mayMiss(core.Secrets(w.name).Delete(w.t.Context(), name, now))
	case 2:
		w.mayMiss(w.cluster.Kube.AppsV1().Deployments(w.name).Delete(w.t.Context(), name, now))
	case 3:
		policy := metav1.DeletePropagationBackground
		w.mayMiss(w.cluster.Kube.BatchV1().Jobs(w.name).Delete(w.t.Context(), name, metav1.DeleteOptions{PropagationPolicy: &policy}))
	}
}

func (w *walk) any() string { return names[w.chance.IntN(len(names))] }

// mayMiss takes it that something is not there, or the API server away.
func (w *walk) mayMiss(err error) {
	if _, known := err.(apierrors.APIStatus); known && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) && !apierrors.IsForbidden(err) &&
		!apierrors.IsServiceUnavailable(err) && !apierrors.IsInternalError(err) && !apierrors.IsTooManyRequests(err) {
		w.t.Fatal(err)
	}
}

func (w *walk) pauseOne() {
	if name := w.one(); name != "" {
		w.tetherRun("pause", "prod", name, "--for", "1s")
	}
}

// tetherRun runs a command, which may fail when something is away just now.
func (w *walk) tetherRun(args ...string) string {
	cmd := exec.Command(w.tether, append(args, "--kubeconfig", w.cluster.Kubeconfig, "--namespace", w.name+"-system")...)
	out, _ := cmd.CombinedOutput()
	w.outputs = append(w.outputs, string(out))
	return string(out)
}

// restartServer kills the API server; the control plane starts it again.
func (w *walk) restartServer() {
	w.cluster.KillServer(w.t)
}

func (w *walk) gitAway() {
	if err := os.Rename(w.bare, w.bare+".away"); err != nil {
		w.t.Fatal(err)
	}
	time.Sleep(time.Duration(w.chance.IntN(1000)) * time.Millisecond) // for so long it is away
	if err := os.Rename(w.bare+".away", w.bare); err != nil {
		w.t.Fatal(err)
	}
}

// quiet waits until nothing goes on any more and holds the world to what is
// promised.
func (w *walk) quiet() {
	w.t.Helper()
	head := w.git("-C", w.work, "rev-parse", "HEAD")
	w.log = append(w.log, time.Now().Format("15:04:05.000 ")+"quiet at "+head)
	w.eventually(func() error {
		s, err := w.status()
		if err != nil {
			return err
		}
		if s.Head.Commit != head || !slices.Contains(w.expected(), s.Verdict) || strings.Contains(s.Reason, "paused") {
			return fmt.Errorf("%.7s is %s: %s; want %.7s %v of %v", s.Head.Commit, s.Verdict, s.Reason, head, w.expected(), w.want)
		}
		return w.asAsked(s)
	})
	w.checkLedger()
	w.checkNoOrphans()
	w.checkSecrets()
}

// expected are the verdicts that the head may have.
func (w *walk) expected() []string {
	fault := ""
	for _, in := range w.want {
		if fault = max(fault, in.fault); w.broken {
			fault = "refuse"
		}
	}
	switch fault {
	case "refuse":
		return []string{"refused", "held"} // held: what the preflight would refuse is not asked for while its quarantine lasts
	case "fail":
		return []string{"failed", "rolled-back", "held"}
	}
	return []string{"applied", "no-op"}
}

// asAsked holds the cluster to what git asks for, where all of that is good, and
// always to the records.
func (w *walk) asAsked(s status) error {
	if s.Verdict == "applied" || s.Verdict == "no-op" {
		for _, name := range names {
			in, listed := w.want[name]
			m, err := w.cluster.Kube.CoreV1().ConfigMaps(w.name).Get(w.t.Context(), name, metav1.GetOptions{})
			switch {
			case err != nil && (listed || !apierrors.IsNotFound(err)):
				return err
			case err == nil && !listed:
				return fmt.Errorf("release %s is not listed, and there", name)
			case listed && m.Data["version"] != strconv.Itoa(in.version):
				return fmt.Errorf("release %s is at %s, not %d", name, m.Data["version"], in.version)
			}
		}
	}
	for _, name := range names {
		if err := w.asRecorded(name); err != nil {
			return err
		}
	}
	return nil
}

// records returns Helm's records of a release, oldest first.
func (w *walk) records(name string) ([]helmRecord, error) {
	helm, err := cluster.Binary("helm")
	if err != nil {
		return nil, err
	}
	out, err := exec.Command(helm, "history", name, "--namespace", w.name, "--kubeconfig", w.cluster.Kubeconfig, "--output", "json").CombinedOutput()
	if bytes.Contains(out, []byte("release: not found")) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("helm history: %w: %s", err, out)
	}
	var all []helmRecord
	return all, json.Unmarshal(out, &all)
}

type helmRecord struct {
	Revision int
	Status   string
}

// asRecorded holds the objects of a release to its deployed record.
func (w *walk) asRecorded(name string) error {
	all, err := w.records(name)
	if err != nil {
		return err
	}
	deployed := 0
	for i, r := range all {
		if i > 0 && r.Revision != all[i-1].Revision+1 {
			return fmt.Errorf("release %s lost a record: %+v", name, all)
		}
		if strings.HasPrefix(r.Status, "pending") {
			return fmt.Errorf("release %s is %s", name, r.Status)
		}
		if r.Status == "deployed" {
			deployed++
		}
	}
	if deployed > 1 {
		return fmt.Errorf("release %s has %d deployed records: %+v", name, deployed, all)
	}
	if deployed == 0 || all[len(all)-1].Status != "deployed" {
		return nil
	}
	helm, err := cluster.Binary("helm")
	if err != nil {
		return err
	}
	manifest, err := exec.Command(helm, "get", "manifest", name, "--namespace", w.name, "--kubeconfig", w.cluster.Kubeconfig).Output()
	if err != nil {
		return err
	}
	return w.sameAs(name, string(manifest))
}

// sameAs compares by other means than the agent's: the marks that a manifest
// bears, in plain text.
func (w *walk) sameAs(name, manifest string) error {
	value := func(key string) string {
		_, rest, _ := strings.Cut(manifest, key+": ")
		text, _, _ := strings.Cut(rest, "\n")
		return strings.Trim(text, `"}{`)
	}
	version := strings.Trim(strings.TrimSuffix(value("data: {version"), "}"), `"`)
	m, err := w.cluster.Kube.CoreV1().ConfigMaps(w.name).Get(w.t.Context(), name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	if m.Data["version"] != version {
		return fmt.Errorf("release %s is at %s, its record at %s", name, m.Data["version"], version)
	}
	if _, err := w.cluster.Kube.CoreV1().ConfigMaps(w.name).Get(w.t.Context(), name+"-extra-"+version, metav1.GetOptions{}); err != nil {
		return err
	}
	s, err := w.cluster.Kube.CoreV1().Secrets(w.name).Get(w.t.Context(), name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	for _, v := range s.Data {
		if !strings.Contains(manifest, string(v)) {
			return fmt.Errorf("secret %s holds what its record does not", name)
		}
	}
	d, err := w.cluster.Kube.AppsV1().Deployments(w.name).Get(w.t.Context(), name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	if *d.Spec.Replicas != 1 || d.Spec.Template.Spec.Containers[0].Image != "example.com/web:v"+version {
		return fmt.Errorf("deployment %s has %d replicas of %s; its record is of version %s", name, *d.Spec.Replicas, d.Spec.Template.Spec.Containers[0].Image, version)
	}
	_, err = w.cluster.Kube.BatchV1().Jobs(w.name).Get(w.t.Context(), name, metav1.GetOptions{})
	return err
}

// checkLedger holds the ledger to one final verdict a commit, in order; the head
// may be held.
func (w *walk) checkLedger() {
	w.t.Helper()
	var entries []struct {
		Commit, Verdict string
		Started         time.Time
		Finished        *time.Time
	}
	out := w.tetherRun("history", "prod", "-o", "json")
	if err := json.Unmarshal([]byte(out), &entries); err != nil {
		w.t.Fatalf("%v: %s", err, out)
	}
	for i, e := range entries { // newest first
		if held := i == 0 && e.Verdict == "held"; e.Finished == nil && !held {
			w.t.Fatalf("commit %s has no final verdict: %s", e.Commit, e.Verdict)
		}
		if i > 0 && (e.Commit == entries[i-1].Commit || e.Started.After(entries[i-1].Started)) {
			w.t.Fatalf("commits %s and %s are not in order", e.Commit, entries[i-1].Commit)
		}
	}
}

// checkNoOrphans holds all that bears the environment's label to what the
// releases have.
func (w *walk) checkNoOrphans() {
	w.t.Helper()
	maps, err := w.cluster.Kube.CoreV1().ConfigMaps(w.name).List(w.t.Context(), metav1.ListOptions{LabelSelector: "tether.stytex.cloud/environment=prod"})
	if err != nil {
		w.t.Fatal(err)
	}
	versions := map[string]string{}
	extras := map[string][]string{}
	for _, m := range maps.Items {
		if release, version, ok := strings.Cut(m.Name, "-extra-"); ok {
			extras[release] = append(extras[release], version)
		} else {
			versions[m.Name] = m.Data["version"]
		}
	}
	for release, have := range extras {
		all, err := w.records(release)
		if err != nil {
			w.t.Fatal(err)
		}
		if len(all) > 0 && all[len(all)-1].Status == "deployed" && (len(have) != 1 || have[0] != versions[release]) {
			w.t.Fatalf("release %s is at %s, and has extras %v", release, versions[release], have)
		}
		if len(all) == 0 || all[len(all)-1].Status == "uninstalled" {
			w.t.Fatalf("release %s is gone, and left extras %v", release, have)
		}
	}
}

// checkSecrets looks for a secret value in all that anybody can read but Secrets.
func (w *walk) checkSecrets() {
	w.t.Helper()
	w.tetherRun("status", "prod", "-o", "yaml")
	w.tetherRun("status", "prod")
	for _, name := range names {
		w.tetherRun("history", "prod", name, "-o", "json")
	}
	texts := append(slices.Clone(w.outputs), w.process.text())
	for _, path := range []string{"/metrics", "/readyz", "/healthz"} {
		res, err := http.Get("http://" + w.listen + path)
		if err != nil {
			w.t.Fatal(err)
		}
		raw, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil {
			w.t.Fatal(err)
		}
		texts = append(texts, string(raw))
	}
	for _, ns := range []string{w.name, w.name + "-system"} {
		events, err := w.cluster.Kube.CoreV1().Events(ns).List(w.t.Context(), metav1.ListOptions{})
		if err != nil {
			w.t.Fatal(err)
		}
		maps, err := w.cluster.Kube.CoreV1().ConfigMaps(ns).List(w.t.Context(), metav1.ListOptions{})
		if err != nil {
			w.t.Fatal(err)
		}
		texts = append(texts, asText(w.t, events.Items), asText(w.t, withoutManaged(maps.Items)))
	}
	encoded := base64.StdEncoding.EncodeToString([]byte(marker))[:11]
	for _, text := range texts {
		for _, secret := range []string{marker, encoded} {
			if i := strings.Index(text, secret); i >= 0 {
				w.t.Fatalf("a secret value is told: …%s…", text[max(0, i-200):min(len(text), i+100)])
			}
		}
	}
	w.outputs = nil
}

func withoutManaged(all []corev1.ConfigMap) []corev1.ConfigMap {
	for i := range all {
		all[i].ManagedFields = nil
	}
	return all
}

func asText(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
