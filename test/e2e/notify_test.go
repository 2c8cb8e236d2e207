package e2e_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// hearer is the other side of a webhook: it keeps by their ids what it is told, and is away
// now and then.
type hearer struct {
	*httptest.Server
	mu     sync.Mutex
	states map[string]map[string]bool // by commit: each state that was told
	ids    map[string]int
	asked  int
}

func newHearer(t *testing.T) *hearer {
	h := &hearer{states: map[string]map[string]bool{}, ids: map[string]int{}}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var n struct {
			State  string
			Commit struct{ Commit string }
		}
		if err := json.NewDecoder(r.Body).Decode(&n); err != nil {
			t.Errorf("what is told is no JSON: %v", err)
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.asked++; h.asked%5 == 2 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		if h.states[n.Commit.Commit] == nil {
			h.states[n.Commit.Commit] = map[string]bool{}
		}
		h.states[n.Commit.Commit][n.State] = true
		h.ids[r.Header.Get("Ce-Id")]++
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *hearer) heard(commit, state string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.states[commit][state] {
		return fmt.Errorf("of %.7s was told %v, not %s", commit, h.states[commit], state)
	}
	return nil
}

// deaths is how often the agent is killed; TETHER_KILLS says otherwise.
func deaths(t *testing.T) int {
	text := os.Getenv("TETHER_KILLS")
	if text == "" {
		return 10
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("TETHER_KILLS=%s: use a number from 1 on", text)
	}
	return n
}

// Whatever becomes of the agent between a verdict and its telling, and of the sink, each
// commit's verdict is told: once, as who takes it knows by its id.
func TestEachVerdictIsToldWhereverTheAgentDies(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "told")
	h := newHearer(t)
	w.environment("{name: web, chart: charts/web, values: [web.yaml]}")
	w.write("notifications.yaml", "sinks: [{name: hook, verdicts: [applied, refused], webhook: {url: '"+h.URL+"', secret: s3cret}}]\n")
	flag := "--notifications=" + w.work + "/notifications.yaml"
	chance := rand.New(rand.NewPCG(rand.Uint64(), 0))
	var heads []string
	for n := range deaths(t) {
		w.write("environments/prod/web.yaml", fmt.Sprintf("tag: v%d\n", n))
		heads = append(heads, w.commit(fmt.Sprintf("Version %d", n)))
		p := w.agent("data", flag)
		w.await(heads[n], "applied")
		time.Sleep(time.Duration(chance.IntN(40)) * time.Millisecond) // the moment is what varies
		p.kill()
	}
	w.write("environments/prod/web.yaml", "tag: [\n")
	heads = append(heads, w.commit("Broken"))
	p := w.agent("data", flag)
	for i, head := range heads {
		state := "applied"
		if i == len(heads)-1 {
			state = "refused"
		}
		w.eventually(func() error { return h.heard(head, state) })
	}
	if strings.Contains(p.text(), "s3cret") || strings.Contains(p.text(), "not sent") && !strings.Contains(p.text(), "tried again") {
		t.Errorf("the log is\n%s", p.text())
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.ids) != len(heads) {
		t.Errorf("%d verdicts were told under %d ids", len(heads), len(h.ids))
	}
	twice := 0
	for _, n := range h.ids {
		twice += n - 1
	}
	t.Logf("told twice, under the same id: %d of %d", twice, len(heads))
}
