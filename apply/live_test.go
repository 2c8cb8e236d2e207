package apply

import (
	"fmt"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"github.com/xetys/tether/render/manifest"
)

// Objects that come and go for ever, as hooks' do, leave nothing behind.
func TestWhatIsGoneIsForgotten(t *testing.T) {
	c, err := Connect(&rest.Config{Host: "http://127.0.0.1:1"}, "prod", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	l := c.Live
	come := func(name string) *kept {
		k := &kept{kind: (schema.GroupKind{Group: "batch", Kind: "Job"}).WithVersion("v1"), marks: marks{ours: true}}
		k.Name, k.Namespace, k.ResourceVersion = name, "prod", "7"
		c.mu.Lock()
		c.inPlace[k.id()], c.judged[k.id()] = placed{}, judged{}
		c.mu.Unlock()
		l.event(k, false)
		return k
	}
	stays := come("stays")
	for i := range 1000 {
		l.event(come(fmt.Sprint("hook", i)), true)
	}
	l.mu.Lock()
	for id, d := range l.gone {
		d.at = d.at.Add(-sweepEvery)
		l.gone[id] = d
	}
	l.swept = time.Now().Add(-sweepEvery)
	l.mu.Unlock()
	last := come("last")
	l.event(last, true)
	for name, n := range map[string]int{"gone": len(l.gone), "version": len(l.version) - 1, "in place": len(c.inPlace) - 1, "judged": len(c.judged) - 1} {
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
