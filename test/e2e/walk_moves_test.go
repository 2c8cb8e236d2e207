package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/xetys/tether/test/faults"
)

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
		{"README", w.readme}, {"elsewhere", w.elsewhere},
		{"rename", w.rename},
		{"move", w.carry},
		{"trouble", w.trouble}, {"trouble", w.trouble},
		{"cut", func() { w.proxy.Cut() }},
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

// rename has one release take the place of another in one commit.
func (w *walk) rename() {
	for _, name := range names {
		if _, there := w.want[name]; there || len(w.want) == 0 {
			continue
		}
		w.version++
		delete(w.want, w.one())
		w.want[name] = input{w.version, ""}
		w.put("Rename to " + name)
		return
	}
}

// carry has an object move from one release to another, or come, or go.
func (w *walk) carry() {
	w.carrier = append(names, "")[w.chance.IntN(len(names)+1)]
	w.put("Move to " + w.carrier)
}

// readme and elsewhere commit what concerns no release.
func (w *walk) readme() {
	w.version++
	w.write("README.md", fmt.Sprintf("Version %d\n", w.version))
	w.commit("README")
}

func (w *walk) elsewhere() {
	w.version++
	w.write("environments/other/environment.yaml", fmt.Sprintf("not: [read, %d]\n", w.version))
	w.commit("Elsewhere")
}

// trouble has the next requests of a kind fail as they do when an API server is in trouble.
func (w *walk) trouble() {
	ways := []string{"status=500 message=etcdserver:leader.changed", "status=429 retryafter=1", "status=503", "reset=before", "reset=after", "latency=700ms",
		"verb=update,patch,apply status=409 reason=Conflict"}
	whom := []string{"verb=write", "verb=write dryrun=no", "verb=apply", "verb=create", "verb=update,patch", "verb=delete", "verb=get", "verb=list",
		"resource=secrets", "resource=jobs.batch", "resource=deployments.apps verb=write", "resource=configmaps verb=write"}
	words := whom[w.chance.IntN(len(whom))] + " " + ways[w.chance.IntN(len(ways))] + fmt.Sprintf(" times=%d", 1+w.chance.IntN(3))
	w.log = append(w.log, "  "+words)
	r, err := faults.ParseRule("trouble", strings.Fields(words))
	if err == nil {
		err = w.proxy.Add(r)
	}
	if err != nil {
		w.t.Fatal(err)
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
