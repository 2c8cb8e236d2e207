package assess

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"helm.sh/helm/v3/pkg/release"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/xetys/tether/agent/observed"
	"github.com/xetys/tether/apply"
	"github.com/xetys/tether/apply/record"
	"github.com/xetys/tether/render/manifest"
)

// A record that turns out to be gone is set aside for all, and changed for nobody: the loop
// and other releases' rollouts look at it meanwhile.
func TestARecordThatIsGoneIsChangedForNobody(t *testing.T) {
	client := fake.NewClientset()
	store := record.NewStore(client, nil, func(context.Context) (func(), error) { return func() {}, nil })
	var h record.History
	for _, digest := range []string{"a", "b"} {
		r := record.New(&manifest.Release{Name: "web", Namespace: "prod", Digest: digest}, h, record.Upgrade, "prod", "c", time.Now())
		if err := errors.Join(store.Create(t.Context(), r), store.Finish(t.Context(), r, record.Good, release.StatusDeployed, "done")); err != nil {
			t.Fatal(err)
		}
		if h = append(h, r); len(h) == 2 {
			if err := store.Supersede(t.Context(), h[0]); err != nil {
				t.Fatal(err)
			}
		}
	}
	found, err := store.List(t.Context(), "prod")
	if err != nil {
		t.Fatal(err)
	}
	if err := client.CoreV1().Secrets("prod").Delete(t.Context(), "sh.helm.release.v1.web.v1", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	key, state := observed.Key{Namespace: "prod", Name: "web"}, &observed.State{}
	state.Forget()
	state.Histories.Replace("prod", found)
	a := &Surveyor{Site: &Site{Cluster: &apply.Cluster{Records: store}, Observed: state}}
	shared := state.Histories.History(key)

	var wg sync.WaitGroup
	wg.Go(func() { // as the loop does, which decides
		for range 1000 {
			shared.Intended()
			_ = shared.FirstDeployed(time.Now())
		}
	})
	for range 2 {
		for i, want := range []error{record.ErrGone, nil} {
			rel, err := a.ManifestOf(t.Context(), shared[i], nil)
			if !errors.Is(err, want) || want == nil && (rel == nil || rel.Digest != "b") {
				t.Errorf("record %d: %+v, %v", i+1, rel, err)
			}
		}
	}
	wg.Wait()
	if shared.GoodWith("a") == nil {
		t.Error("the record was changed for who looks at it")
	}
	if now := state.Histories.History(key); now.GoodWith("a") != nil || now.GoodWith("b") == nil || now.Next() != 3 {
		t.Errorf("it is not set aside: %+v", now)
	}
}
