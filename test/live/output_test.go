package live_test

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/xetys/tether/apply/wait"
)

// kubelet is a server that answers the API server as a node's kubelet does when it is asked
// for logs. It keeps what it was asked.
type kubelet struct {
	mu    sync.Mutex
	text  string
	asked []*url.URL
}

func (k *kubelet) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asked = append(k.asked, r.URL)
	fmt.Fprint(w, k.text)
}

// kubelet has the API server ask a kubelet of the test's for the logs of all pods.
func (w *world) kubelet(text string) *kubelet {
	w.t.Helper()
	k := &kubelet{text: text}
	server := httptest.NewTLSServer(k)
	w.t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		w.t.Fatal(err)
	}
	nodes, err := w.server.Kube.CoreV1().Nodes().List(w.t.Context(), metav1.ListOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	patch := fmt.Sprintf(`{"status": {"addresses": [{"type": "InternalIP", "address": "127.0.0.1"}], "daemonEndpoints": {"kubeletEndpoint": {"Port": %s}}}}`, port)
	for _, n := range nodes.Items {
		if _, err := w.server.Kube.CoreV1().Nodes().Patch(w.t.Context(), n.Name, types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{}, "status"); err != nil {
			w.t.Fatal(err)
		}
	}
	return k
}

// What a container that crashes wrote last is read once, of the container before, and
// without what its pod was given by Secrets.
func TestAFailureTellsHowTheLogEnds(t *testing.T) {
	w := newWorld(t, "")
	k := w.kubelet("\x1b[31mconnecting as app with hunter2-correct-horse\x1b[0m\npanic: no route to db\n")
	if _, err := w.server.Kube.CoreV1().Secrets(w.space).Create(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "db"},
		StringData: map[string]string{"password": "hunter2-correct-horse"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	given := "image: 'example.com/web:v2-crashloop', env: [{name: P, valueFrom: {secretKeyRef: {name: db, key: password}}}]"
	web := w.create(strings.Replace(deployment, "image: 'example.com/web:TAG'", given, 1))
	w.watch(web)
	end, _ := w.waiting(within(web, time.Hour))
	err := end()
	var unhealthy *wait.UnhealthyError
	if !errors.As(err, &unhealthy) || unhealthy.Output == nil || unhealthy.Output.Err != nil {
		t.Fatalf("it ended with %v, and as output %+v", err, unhealthy)
	}
	if have, want := unhealthy.Output.Text, "connecting as app with (masked)\npanic: no route to db\n"; have != want {
		t.Errorf("the log ends with %q, want %q", have, want)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.asked) != 1 {
		t.Fatalf("the kubelet was asked %d times", len(k.asked))
	}
	pod := "/containerLogs/" + w.space + "/" + unhealthy.Output.Pod + "/web"
	if q := k.asked[0].Query(); k.asked[0].Path != pod || q.Get("previous") != "true" || q.Get("tailLines") != "10" || q.Get("limitBytes") != "49152" {
		t.Errorf("it was asked for %s", k.asked[0])
	}
}
