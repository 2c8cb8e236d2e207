package apply

import (
	"reflect"
	"strings"
	"testing"
)

// No client that can write any object is reached from a Cluster: objects are written by the
// packages below apply alone.
func TestClusterHidesItsClients(t *testing.T) {
	seen := map[reflect.Type]bool{}
	var look func(at string, of reflect.Type)
	look = func(at string, of reflect.Type) {
		for of.Kind() == reflect.Pointer {
			of = of.Elem()
		}
		for _, library := range []string{"k8s.io/client-go/kubernetes", "k8s.io/client-go/dynamic", "k8s.io/client-go/metadata", "sigs.k8s.io/controller-runtime"} {
			if strings.HasPrefix(of.PkgPath(), library) {
				t.Errorf("%s is a client, %s", at, of)
			}
		}
		if of.Kind() != reflect.Struct || seen[of] || !strings.HasPrefix(of.PkgPath(), "github.com/xetys/tether/apply") {
			return
		}
		seen[of] = true
		for i := range of.NumField() {
			if f := of.Field(i); f.IsExported() {
				look(at+"."+f.Name, f.Type)
			}
		}
	}
	look("Cluster", reflect.TypeFor[Cluster]())
	if len(seen) < 5 {
		t.Errorf("only %v was looked at", seen)
	}
}
