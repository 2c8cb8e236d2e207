package live

import (
	"fmt"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"github.com/xetys/tether/apply/kube"
	"github.com/xetys/tether/render/manifest"
)

// Objects that come and go for ever, as hooks' do, leave nothing behind.
func TestWhatIsGoneIsForgotten(t *testing.T) {
	client, err := kube.NewClient(&rest.Config{Host: "http://127.0.0.1:1"}, kube.Account{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	judged := map[manifest.ID]bool{}
	l := New(client, "prod", Listeners{Forgotten: func(ids []manifest.ID) {
		for _, id := range ids {
			delete(judged, id)
		}
	}})
	left := l.Placements
	come := func(name string) *cachedObject {
		k := &cachedObject{kind: (schema.GroupKind{Group: "batch", Kind: "Job"}).WithVersion("v1"), Hashes: Hashes{Ours: true}}
		k.Name, k.Namespace, k.ResourceVersion = name, "prod", "7"
		left.known[k.id()], judged[k.id()] = Placement{}, true
		l.event(k, false)
		return k
	}
	stays := come("stays")
	for i := range 1000 {
		l.event(come(fmt.Sprint("hook", i)), true)
	}
	l.mu.Lock()
	for id, d := range l.gone.all {
		d.at = d.at.Add(-sweepEvery)
		l.gone.all[id] = d
	}
	l.gone.swept = time.Now().Add(-sweepEvery)
	l.mu.Unlock()
	last := come("last")
	l.event(last, true)
	for name, n := range map[string]int{"gone": len(l.gone.all), "version": len(l.version) - 1, "in place": len(left.known) - 1, "judged": len(judged) - 1} {
		if n != 1 {
			t.Errorf("%s: %d entries stay behind besides that of what is there", name, n)
		}
	}
	for _, id := range []manifest.ID{stays.id(), last.id()} {
		if _, ok := l.version[id]; !ok {
			t.Errorf("%s is forgotten too early", id)
		}
	}
}

// What runs to an end is remembered as it was when it was deleted.
func TestWhatEndedIsRememberedAfterItsDeletion(t *testing.T) {
	client, err := kube.NewClient(&rest.Config{Host: "http://127.0.0.1:1"}, kube.Account{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	l := New(client, "prod", Listeners{})
	for _, c := range []struct {
		kind schema.GroupVersionKind
		kept bool
	}{
		{schema.GroupVersionKind{Group: "batch", Version: "v1", Kind: "Job"}, true},
		{schema.GroupVersionKind{Version: "v1", Kind: "Pod"}, true},
		{schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}, false},
	} {
		k := &cachedObject{kind: c.kind, text: []byte(`{"metadata":{"name":"x","deletionTimestamp":"2026-01-01T00:00:00Z"}}`)}
		k.Name, k.Namespace, k.ResourceVersion = "x", "prod", "7"
		l.event(k, false)
		l.event(k, true)
		switch last := l.LastOf(k.id()); {
		case (last != nil) != c.kept:
			t.Errorf("%s: remembered: %v", c.kind.Kind, last != nil)
		case last != nil && last.GetDeletionTimestamp() != nil:
			t.Errorf("%s is remembered as being deleted", c.kind.Kind)
		}
	}
}
