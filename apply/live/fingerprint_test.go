package live

import (
	"testing"

	"github.com/xetys/tether/render/manifest"
)

// BenchmarkFingerprint is what it costs to know that a wanted object is the one that
// was applied.
func BenchmarkFingerprint(b *testing.B) {
	objects, err := manifest.Parse(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: app, labels: {app: web, tier: front}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: "example.com/web:v1", ports: [{name: http, containerPort: 8080}], env: [{name: A, value: a}, {name: B, value: b}], resources: {requests: {cpu: 10m, memory: 32Mi}}}`, "prod", nil)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if Fingerprint(objects[0].Unstructured) == 0 {
			b.Fatal("no fingerprint")
		}
	}
}
