package e2e_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/xetys/tether/test/cluster"
	"github.com/xetys/tether/test/faults"
)

// marker is in every secret value of the walk, and must be nowhere but in
// Secrets.
const marker = "Geheimnis"

// steps and seed say which walk is taken by default, the same one each time, so that
// what lands does not depend on luck. TETHER_WALK_STEPS and TETHER_WALK_SEED ask for
// another; make walk takes a new seed each time.
const (
	steps = 40
	seed  = 301
)

// A random walk through all that people and machines do to an agent ends, at every
// quiet moment, with the cluster as git and the ledger say, no orphan, no lost
// record, one verdict a commit, and no secret told.
func TestRandomWalk(t *testing.T) {
	t.Parallel()
	n, seed := steps, uint64(seed)
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
	carrier string           // the release that has the object which moves
	proxy   *faults.Proxy    // between the agent and the API server
	broken  bool             // environment.yaml can't be read
	log     []string

	kubeconfig string // the agent's
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
	if w.proxy, err = faults.Start(w.cluster.Kubeconfig); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.proxy.Close)
	w.kubeconfig = filepath.Join(w.dir, "proxy.kubeconfig")
	if err := w.proxy.Kubeconfig(w.kubeconfig); err != nil {
		t.Fatal(err)
	}
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
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: {{ .Release.Name }}}
spec:
  serviceName: {{ .Release.Name }}
  selector: {matchLabels: {set: {{ .Release.Name }}}}
  template:
    metadata: {labels: {set: {{ .Release.Name }}}}
    spec: {containers: [{name: set, image: "example.com/set:v{{ .Values.version }}"}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}-frozen, annotations: {tether.stytex.cloud/recreate: "true"}}
immutable: true
data: {version: {{ .Values.version | quote }}}
{{- if .Values.carries }}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: carried}
{{- end }}
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
		w.write("environments/prod/"+name+".yaml", fmt.Sprintf("version: %d\npassword: %s-%s-%d\nreplicas: %d\njob: %s\ncarries: %v\n",
			in.version, marker, name, in.version, replicas, job, name == w.carrier))
	}
	if w.broken {
		releases = append(releases, "{name: broken, chart: charts/nowhere}")
	}
	w.environment(releases...)
	raw, err := json.Marshal(w.want)
	if err != nil {
		w.t.Fatal(err)
	}
	w.write("want.json", fmt.Sprintf(`{"broken": %v, "carrier": %q, "want": %s}`, w.broken, w.carrier, raw))
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
		Broken  bool
		Carrier string
		Want    map[string]input
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		w.t.Fatal(err)
	}
	w.broken, w.carrier, w.want = doc.Broken, doc.Carrier, doc.Want
}

func (w *walk) start() {
	w.process = w.agent("data", "--kubeconfig", w.kubeconfig, "--listen", w.listen, "--log-level", "debug")
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
