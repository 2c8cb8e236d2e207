package e2e_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xetys/tether/test/cluster"
)

// quiet waits until nothing goes on any more and holds the world to what is
// promised.
func (w *walk) quiet() {
	w.t.Helper()
	head := w.git("-C", w.work, "rev-parse", "HEAD")
	w.proxy.Clear() // what did not strike yet is over
	w.log = append(w.log, time.Now().Format("15:04:05.000 ")+"quiet at "+head)
	w.eventually(func() error {
		s, err := w.status()
		if err != nil {
			return err
		}
		if s.Head.Commit == head && strings.Contains(s.Reason, "more than the 50% of pruneBudget") {
			w.tetherRun("sync", "prod", "--confirm", head[:7]) // what a person does who meant it
		}
		if s.Head.Commit != head || !slices.Contains(w.expected(), s.Verdict) || strings.Contains(s.Reason, "paused") {
			return fmt.Errorf("%.7s is %s: %s; want %.7s %v of %v", s.Head.Commit, s.Verdict, s.Reason, head, w.expected(), w.want)
		}
		if err := w.asAsked(s); err != nil {
			return err
		}
		return w.ledgerAtRest()
	})
	w.checkNoOrphans()
	w.checkTold()
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
		if err := w.asCarried(); err != nil {
			return err
		}
	}
	for _, name := range names {
		if err := w.asRecorded(name); err != nil {
			return err
		}
	}
	return nil
}

// asCarried holds the object that moves to the release that has it, and to none if none has.
func (w *walk) asCarried() error {
	_, listed := w.want[w.carrier]
	m, err := w.cluster.Kube.CoreV1().ConfigMaps(w.name).Get(w.t.Context(), "carried", metav1.GetOptions{})
	switch {
	case !listed && apierrors.IsNotFound(err):
		return nil
	case err != nil:
		return err
	case !listed:
		return errors.New("the object that moves is there, and no release has it")
	case m.Annotations["meta.helm.sh/release-name"] != w.carrier:
		return fmt.Errorf("the object that moves is with release %s, not %s", m.Annotations["meta.helm.sh/release-name"], w.carrier)
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
	set, err := w.cluster.Kube.AppsV1().StatefulSets(w.name).Get(w.t.Context(), name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	frozen, err := w.cluster.Kube.CoreV1().ConfigMaps(w.name).Get(w.t.Context(), name+"-frozen", metav1.GetOptions{})
	if err != nil {
		return err
	}
	if image := set.Spec.Template.Spec.Containers[0].Image; image != "example.com/set:v"+version || frozen.Data["version"] != version {
		return fmt.Errorf("StatefulSet %s is of %s, its immutable ConfigMap of %s; the record is of version %s", name, image, frozen.Data["version"], version)
	}
	_, err = w.cluster.Kube.BatchV1().Jobs(w.name).Get(w.t.Context(), name, metav1.GetOptions{})
	return err
}

// ledgerAtRest holds the ledger to one final verdict a commit, in order, and one more each
// time that it was tried again; the head may be held. Where the head is refused, the commit before it may still be carried out.
func (w *walk) ledgerAtRest() error {
	w.t.Helper()
	var entries []struct {
		Commit, Verdict, Trigger string
		Started                  time.Time
		Finished                 *time.Time
	}
	out := w.tetherRun("history", "prod", "-o", "json")
	if err := json.Unmarshal([]byte(out), &entries); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	for i, e := range entries { // newest first
		if i > 0 && (e.Commit == entries[i-1].Commit && entries[i-1].Trigger == "" || e.Started.After(entries[i-1].Started)) {
			w.t.Fatalf("commits %s and %s are not in order", e.Commit, entries[i-1].Commit)
		}
		if held := i == 0 && e.Verdict == "held"; e.Finished == nil && !held {
			return fmt.Errorf("commit %s has no final verdict: %s", e.Commit, e.Verdict)
		}
	}
	return nil
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

// checkTold looks for a secret value, and for times that nobody knows, in all that anybody can
// read but Secrets.
func (w *walk) checkTold() {
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
		if i := strings.Index(text, "0001-01-01"); i >= 0 {
			w.t.Fatalf("a time is told that is none: …%s…", text[max(0, i-200):min(len(text), i+100)])
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
