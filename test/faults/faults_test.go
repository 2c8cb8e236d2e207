package faults_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/xetys/tether/test/cluster"
	"github.com/xetys/tether/test/faults"
)

func TestMain(m *testing.M) { cluster.Main(m) }

// start returns a proxy, a client behind it, and a namespace.
func start(t *testing.T) (*faults.Proxy, kubernetes.Interface, string) {
	t.Helper()
	c := cluster.Shared(t)
	p, err := faults.Start(c.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := p.Kubeconfig(file); err != nil {
		t.Fatal(err)
	}
	kube := client(t, file)
	n, err := kube.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "faults-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return p, kube, n.Name
}

func client(t *testing.T, kubeconfig string) kubernetes.Interface {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	config.QPS = -1
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return kube
}

func add(t *testing.T, p *faults.Proxy, name, words string) {
	t.Helper()
	r, err := faults.ParseRule(name, strings.Fields(words))
	if err == nil {
		err = p.Add(r)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func configMap(name string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

func TestAnswersAsAServerInTrouble(t *testing.T) {
	p, kube, namespace := start(t)
	maps := kube.CoreV1().ConfigMaps(namespace)
	create := func(name string) error {
		_, err := maps.Create(t.Context(), configMap(name), metav1.CreateOptions{})
		return err
	}
	add(t, p, "leader", "verb=create resource=configmaps name=a* times=1 status=500 message=etcdserver:leader-changed")
	if err := create("b"); err != nil {
		t.Errorf("a name that is not meant: %v", err)
	}
	if err := create("a"); err == nil || err.Error() != "etcdserver:leader-changed" || apierrors.ReasonForError(err) != "" {
		t.Errorf("500: %#v", err)
	}
	if err := create("a"); err != nil {
		t.Errorf("the second time: %v", err)
	}
	add(t, p, "conflict", "verb=create resource=configmaps times=1 status=409 reason=Conflict")
	if err := create("c"); !apierrors.IsConflict(err) {
		t.Errorf("409: %v", err)
	}
	// client-go waits as long as it is told to, and asks again by itself.
	add(t, p, "much", "verb=create resource=configmaps times=1 status=429 reason=TooManyRequests retryafter=1")
	began := time.Now()
	if err := create("d"); err != nil || time.Since(began) < time.Second || p.Struck("much") != 1 {
		t.Errorf("429: %v after %s, struck %d", err, time.Since(began), p.Struck("much"))
	}
	add(t, p, "third", "verb=get resource=configmaps after=1 every=3 times=2 status=500")
	wrong := ""
	for range 11 {
		if _, err := maps.Get(t.Context(), "a", metav1.GetOptions{}); err == nil {
			wrong += "."
		} else {
			wrong += "x"
		}
	}
	if wrong != "...x..x...." {
		t.Errorf("after the first, each third, twice: %s", wrong)
	}
	add(t, p, "late", "verb=create resource=configmaps times=1 latency=300ms")
	began = time.Now()
	if err := create("e"); err != nil || time.Since(began) < 300*time.Millisecond {
		t.Errorf("latency: %v after %s", err, time.Since(began))
	}
}

func TestResetsBeforeOrAfterTheRequestWasPassedOn(t *testing.T) {
	p, kube, namespace := start(t)
	maps := kube.CoreV1().ConfigMaps(namespace)
	for when, there := range map[string]bool{"before": false, "after": true} {
		add(t, p, when, "verb=create resource=configmaps name="+when+" reset="+when)
		if _, err := maps.Create(t.Context(), configMap(when), metav1.CreateOptions{}); err == nil || apierrors.ReasonForError(err) != "" {
			t.Errorf("%s: %v is an answer", when, err)
		}
		if _, err := maps.Get(t.Context(), when, metav1.GetOptions{}); (err == nil) != there {
			t.Errorf("%s: it is there: %v, want %v", when, err == nil, there)
		}
	}
	if codes := p.Requests(faults.Match{Verbs: []string{"create"}, Resources: []string{"configmaps"}}); codes[0].Code != 0 {
		t.Errorf("the client is said to have got %d", codes[0].Code)
	}
}

func TestKeepsRequestsBackUntilTheRuleIsRemoved(t *testing.T) {
	p, kube, namespace := start(t)
	add(t, p, "hole", "resource=configmaps blackhole=true")
	done := make(chan error, 1)
	go func() {
		_, err := kube.CoreV1().ConfigMaps(namespace).Create(context.Background(), configMap("a"), metav1.CreateOptions{})
		done <- err
	}()
	for p.Struck("hole") == 0 {
		time.Sleep(10 * time.Millisecond) // between two looks at a condition
	}
	short, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := kube.CoreV1().ConfigMaps(namespace).List(short, metav1.ListOptions{}); !strings.Contains(fmt.Sprint(err), "deadline exceeded") {
		t.Errorf("a list is answered: %v", err)
	}
	if _, err := kube.CoreV1().Secrets(namespace).List(t.Context(), metav1.ListOptions{}); err != nil {
		t.Errorf("what is not meant: %v", err)
	}
	select {
	case err := <-done:
		t.Fatalf("it was answered: %v", err)
	default:
	}
	p.Clear("hole")
	if err := <-done; err != nil {
		t.Errorf("after the rule was removed: %v", err)
	}
}

func TestPassesWatchesOnAtOnceUntilTheyAreCut(t *testing.T) {
	p, kube, namespace := start(t)
	maps := kube.CoreV1().ConfigMaps(namespace)
	w, err := maps.Watch(t.Context(), metav1.ListOptions{FieldSelector: "metadata.name=a"})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	if _, err := maps.Create(t.Context(), configMap("a"), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	select {
	case e := <-w.ResultChan():
		if m, ok := e.Object.(*corev1.ConfigMap); !ok || m.Name != "a" {
			t.Errorf("event %+v", e)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("no event after ten seconds")
	}
	p.Cut()
	select {
	case e, open := <-w.ResultChan():
		if open && e.Type != "ERROR" {
			t.Errorf("event %+v after the connection was cut", e)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the watch goes on")
	}
	if _, err := maps.Get(t.Context(), "a", metav1.GetOptions{}); err != nil {
		t.Errorf("the next connection: %v", err)
	}
}

func TestRecordsWhatIsAskedFor(t *testing.T) {
	p, kube, namespace := start(t)
	p.Forget()
	maps := kube.CoreV1().ConfigMaps(namespace)
	body := []byte(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}`)
	for _, dry := range []string{"", metav1.DryRunAll} {
		opts := metav1.PatchOptions{FieldManager: "test"}
		if dry != "" {
			opts.DryRun = []string{dry}
		}
		if _, err := maps.Patch(t.Context(), "a", types.ApplyPatchType, body, opts); err != nil {
			t.Fatal(err)
		}
	}
	if err := maps.Delete(t.Context(), "none", metav1.DeleteOptions{}); !apierrors.IsNotFound(err) {
		t.Fatal(err)
	}
	if _, err := kube.Discovery().ServerVersion(); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, r := range p.Requests(faults.Match{}) {
		lines = append(lines, r.String()[len("15:04:05.000 "):])
	}
	want := strings.ReplaceAll("apply configmaps NS/a 201\napply configmaps NS/a 200 dry-run\ndelete configmaps NS/none 404\nget /version 200", "NS", namespace)
	if have := strings.Join(lines, "\n"); have != want {
		t.Errorf("recorded\n%s\nwant\n%s", have, want)
	}
	if n := len(p.Requests(faults.Match{Verbs: []string{"write"}})); n != 2 {
		t.Errorf("%d writes, want 2", n)
	}
}

// Whoever has a token of their own stays who they are, and nobody else becomes the
// proxy's user.
func TestPassesOnWhoAsks(t *testing.T) {
	p, kube, namespace := start(t)
	if _, err := kube.CoreV1().ServiceAccounts(namespace).Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "poor"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	token := strings.TrimSpace(cluster.Shared(t).Kubectl(t, "create", "token", "poor", "--namespace", namespace))
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := p.KubeconfigOf(file, token); err != nil {
		t.Fatal(err)
	}
	_, err := client(t, file).CoreV1().Secrets(namespace).List(t.Context(), metav1.ListOptions{})
	if !strings.Contains(fmt.Sprint(err), "system:serviceaccount:"+namespace+":poor") {
		t.Errorf("as a service account: %v", err)
	}
	if err := p.KubeconfigOf(file, "wrong"); err != nil {
		t.Fatal(err)
	}
	if _, err := client(t, file).CoreV1().Secrets(namespace).List(t.Context(), metav1.ListOptions{}); !apierrors.IsUnauthorized(err) {
		t.Errorf("with a wrong token: %v", err)
	}
}

func TestRulesAreRefusedWithWhatIsWrong(t *testing.T) {
	for words, want := range map[string]string{
		"status":                "no KEY=VALUE",
		"verb=get":              "does nothing",
		"stauts=500":            "stauts is unknown",
		"status=many":           "invalid syntax",
		"reset=sometimes":       "use before or after",
		"status=500 name=[":     "syntax error in pattern",
		"status=500 dryrun=all": "use yes or no",
	} {
		if _, err := faults.ParseRule("it", strings.Fields(words)); !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%s: %v, want %s", words, err, want)
		}
	}
}
