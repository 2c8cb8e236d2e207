package live_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/xetys/tether/apply"
	"github.com/xetys/tether/apply/ownership"
	"github.com/xetys/tether/render/manifest"
)

// small are the objects of a small release; none of them has a pod.
var small = []string{`
apiVersion: apps/v1
kind: Deployment
metadata: {name: $NAME, labels: {app: $NAME}, annotations: {meta.helm.sh/release-name: $NAME, meta.helm.sh/release-namespace: $NS}}
spec:
  replicas: 0
  selector: {matchLabels: {app: $NAME}}
  template:
    metadata: {labels: {app: $NAME}}
    spec:
      serviceAccountName: $NAME
      containers: [{name: web, image: "example.com/web:v1", ports: [{name: http, containerPort: 8080}], resources: {requests: {cpu: 10m, memory: 32Mi}}}]`, `
apiVersion: v1
kind: Service
metadata: {name: $NAME, annotations: {meta.helm.sh/release-name: $NAME, meta.helm.sh/release-namespace: $NS}}
spec: {selector: {app: $NAME}, ports: [{name: http, port: 80, targetPort: http}]}`, `
apiVersion: v1
kind: ServiceAccount
metadata: {name: $NAME, annotations: {meta.helm.sh/release-name: $NAME, meta.helm.sh/release-namespace: $NS}}`, `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: $NAME, annotations: {meta.helm.sh/release-name: $NAME, meta.helm.sh/release-namespace: $NS}}
spec:
  rules: [{host: $NAME.example.com, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: $NAME, port: {name: http}}}}]}}]`}

// BenchmarkLiveMemory measures what the live cache takes for each object, of 10,000
// (TETHER_BENCH_OBJECTS) of four kinds.
func BenchmarkLiveMemory(b *testing.B) {
	n := 10_000
	if text := os.Getenv("TETHER_BENCH_OBJECTS"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			b.Fatal(err)
		}
	}
	for k, gvr := range map[string]string{"Deployment": "deployments", "Service": "services", "ServiceAccount": "serviceaccounts", "Ingress": "ingresses"} {
		r := parse(b, small[map[string]int{"Deployment": 0, "Service": 1, "ServiceAccount": 2, "Ingress": 3}[k]]).GroupVersionKind().GroupVersion().WithResource(gvr)
		resources[k] = r
	}
	w := newWorld(b, "")
	objects := w.many(n)
	for range b.N {
		before := heap()
		c, err := apply.Connect(w.server.Config, w.space, apply.Options{})
		if err != nil {
			b.Fatal(err)
		}
		if err := c.Live.Watch(context.Background(), objects); err != nil {
			b.Fatal(err)
		}
		for _, u := range objects {
			if _, ok := c.Live.Get(manifest.IDOf(u)); !ok {
				b.Fatalf("%s is not there", manifest.IDOf(u))
			}
		}
		b.ReportMetric(float64(heap()-before)/float64(len(objects)), "bytes/object")
		c.Close()
	}
}

func heap() int64 {
	runtime.GC()
	runtime.GC() // what finalizers of the first let go of
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// many creates objects, 16 at a time.
func (w *world) many(n int) []*unstructured.Unstructured {
	var wg sync.WaitGroup
	slots := make(chan struct{}, 16)
	var all []*unstructured.Unstructured
	for i := range n {
		u := w.parse(strings.ReplaceAll(small[i%len(small)], "$NAME", fmt.Sprintf("o%d", i/len(small))))
		all = append(all, u)
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if _, err := w.api(u).Apply(context.Background(), u.GetName(), u, metav1.ApplyOptions{FieldManager: ownership.FieldManager}); err != nil {
				w.t.Error(err)
			}
		})
	}
	wg.Wait()
	return all
}
