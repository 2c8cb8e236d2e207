package record

import (
	"errors"
	"testing"
	"time"

	"helm.sh/helm/v3/pkg/release"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
)

// What the agent recorded is known by its seal, also once it was concluded; what somebody
// else wrote in its name is set aside, and another environment's is not applied.
func TestRecordsAreToldByTheirSeal(t *testing.T) {
	key := []byte("0123456789abcdef0123456789abcdef")
	store := func(c *fake.Clientset, environment string, key []byte) *Store {
		s := NewStore(c, nil, atOnce)
		s.Seal(environment, key)
		return s
	}
	for sentence, c := range map[string]struct {
		change      func(*corev1.Secret)
		environment string
		key         []byte
		set, apply  error
	}{
		"as it was written":       {environment: "production", key: key},
		"without a key":           {environment: "production"},
		"with another key":        {environment: "production", key: []byte("another key of thirty-two bytes!"), set: ErrDamaged},
		"without a seal":          {func(s *corev1.Secret) { delete(s.Labels, labelSeal) }, "production", key, ErrDamaged, nil},
		"for another digest":      {func(s *corev1.Secret) { s.Labels[labelDigest] = "e" }, "production", key, ErrDamaged, nil},
		"of another outcome":      {func(s *corev1.Secret) { s.Labels[labelOutcome] = "failed" }, "production", key, nil, nil},
		"another environment's":   {environment: "staging", key: []byte("another key of thirty-two bytes!"), apply: ErrDamaged},
		"without the agent's own": {func(s *corev1.Secret) { delete(s.Labels, labelDigest); delete(s.Labels, labelSeal) }, "production", key, nil, nil},
	} {
		t.Run(sentence, func(t *testing.T) {
			client := fake.NewClientset()
			written := store(client, "production", key)
			r := New(web("d"), nil, Install, "production", "c", time.Now())
			if err := written.Create(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			if err := written.Finish(t.Context(), r, Good, release.StatusDeployed, "done"); err != nil {
				t.Fatal(err)
			}
			secrets := client.CoreV1().Secrets(r.Namespace)
			if c.change != nil {
				s, err := secrets.Get(t.Context(), r.key(), metav1.GetOptions{})
				if err != nil {
					t.Fatal(err)
				}
				c.change(s)
				if _, err := secrets.Update(t.Context(), s, metav1.UpdateOptions{}); err != nil {
					t.Fatal(err)
				}
			}
			all, err := store(client, c.environment, c.key).List(t.Context(), r.Namespace)
			if err != nil || len(all[r.Name]) != 1 {
				t.Fatal(all, err)
			}
			found := all[r.Name][0]
			if _, err := found.Release(); !errors.Is(err, c.set) {
				t.Errorf("set aside: %v", err)
			}
			if err := found.Trusted(); c.set == nil && !errors.Is(err, c.apply) {
				t.Errorf("applied: %v", err)
			}
		})
	}
}
