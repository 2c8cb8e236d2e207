package pods

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/xetys/tether/apply/kube"
)

// Whoever may write events in a namespace decides what they say, and how many there are.
func TestAWarningIsOneShortLine(t *testing.T) {
	limit := ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		limit = req.URL.Query().Get("limit")
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(corev1.EventList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "EventList"}, Items: []corev1.Event{
			{Message: " \x1b[2Jprobe failed\nevil: applied \u202e" + strings.Repeat("x", 100_000)},
		}}) // the client looks at what came
	}))
	defer server.Close()
	client, err := kube.NewClient(&rest.Config{Host: server.URL}, kube.Account{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	text := NewWatcher(client).Warning(context.Background(), "alpha", []types.UID{"x"})
	if !strings.HasPrefix(text, "\ufffd[2Jprobe failed evil: applied \ufffdxxx") || len([]rune(text)) > maxWarning {
		t.Errorf("%d characters: %.80q", len(text), text)
	}
	if limit != "30" {
		t.Errorf("as many events as %q are asked for", limit)
	}
}
