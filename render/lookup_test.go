package render_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/xetys/tether/render"
)

// configMaps looks ConfigMaps up at an API server.
type configMaps struct{ client dynamic.Interface }

func (c configMaps) GetClientFor(string, string) (dynamic.NamespaceableResourceInterface, bool, error) {
	return c.client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}), true, nil
}

// What keeps a lookup from its answer for a while says nothing about the template that
// asks: the commit is not refused for it.
func TestALookupThatIsNotAnswered(t *testing.T) {
	t.Parallel()
	files := repo(t, environment("  namespace: prod\n  releases: [{name: web, chart: charts/web}]")+
		"-- charts/web/templates/x.yaml --\n{{ lookup \"v1\" \"ConfigMap\" \"prod\" \"x\" }}\n")
	for sentence, c := range map[string]struct {
		status  int // none if the server is away
		refused bool
	}{
		"an API server that is away":          {0, false},
		"one that has too much to do":         {http.StatusTooManyRequests, false},
		"one that is about to end":            {http.StatusServiceUnavailable, false},
		"one that can't reach its store":      {http.StatusInternalServerError, false},
		"one that is not asked in time":       {http.StatusGatewayTimeout, false},
		"one that does not let it be read":    {http.StatusForbidden, true},
		"one that can't read what it is sent": {http.StatusBadRequest, true},
	} {
		t.Run(sentence, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(c.status) }))
			defer server.Close()
			if c.status == 0 {
				server.Close()
			}
			client, err := dynamic.NewForConfig(&rest.Config{Host: server.URL})
			if err != nil {
				t.Fatal(err)
			}
			env, err := render.LoadEnvironment(files, "prod")
			if err != nil {
				t.Fatal(err)
			}
			r := render.NewRenderer(render.Config{})
			p, err := r.Prepare(t.Context(), files, env, env.Releases[0])
			if err != nil {
				t.Fatal(err)
			}
			_, err = r.Render(t.Context(), p, render.Options{Revision: 1, Capabilities: render.OfflineCapabilities("", nil), Lookup: configMaps{client}})
			var refusal *render.RenderError
			if err == nil || errors.As(err, &refusal) != c.refused {
				t.Errorf("want it to be refused: %t; have %v", c.refused, err)
			}
		})
	}
}
