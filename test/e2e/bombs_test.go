package e2e_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	alphaHead = "apiVersion: tether.stytex.cloud/v1\nkind: Environment\nmetadata: {name: alpha}\nspec:\n  namespace: %s\n  releases:\n    - name: own\n      chart: charts/own\n"
	ownObject = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: own}\ndata: {a: one}\n"
)

// repeated is a long text and many aliases of it: gigabytes, once they are written out.
func repeated(indent string) string {
	return indent + "a: &a " + strings.Repeat("x", 400_000) + "\n" + indent + "b: [" + strings.Repeat("*a, ", 50_000) + "*a]\n"
}

// doubling are operations each of which doubles what there is: 6 GB after all of them.
func doubling() string {
	out := "[{op: add, path: /data, value: {a: [" + strings.Repeat("x", 90) + "]}}"
	for range 26 {
		out += ", {op: copy, from: /data/a, path: /data/a/-}"
	}
	return out + "]"
}

// What a commit to one environment holds can't exhaust the agent, in the memory that its
// chart gives it: each bomb is refused with a sentence that says where, what the limit is
// and how to mend it, and the other environment goes on meanwhile.
func TestAHostileEnvironmentStaysInItsBounds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "bombs")
	w.patience = 3 * time.Minute
	alpha := fmt.Sprintf(alphaHead, w.name+"-alpha")
	w.write("environments/alpha/environment.yaml", alpha)
	w.write("environments/beta/environment.yaml", "apiVersion: tether.stytex.cloud/v1\nkind: Environment\nmetadata: {name: beta}\nspec:\n  namespace: "+w.name+"-beta\n  releases:\n    - {name: calm, chart: charts/web, values: [web.yaml]}\n")
	w.write("charts/own/Chart.yaml", ownChart)
	w.write("charts/own/templates/c.yaml", ownObject)
	w.write("environments/beta/web.yaml", "message: calm\n")
	head := w.commit("First")
	agent := w.agentOf("alpha,beta", "data", "--memory-limit", "1Gi")
	peak := watchMemory(t, agent)
	w.awaitIn("alpha", head, "applied")
	w.awaitIn("beta", head, "applied")
	const values = "environments/alpha/v.yaml"
	for n, c := range []struct {
		name   string
		plant  func() (tree string)
		reason string
	}{
		{"a file of values of 1.5 GB of zeros", func() string {
			w.write("environments/alpha/environment.yaml", alpha+"      values: [v.yaml]\n")
			w.write(values, "")
			if err := os.Truncate(filepath.Join(w.work, values), 1536<<20); err != nil {
				t.Fatal(err)
			}
			return ""
		}, `^environments/alpha/(environment.yaml:9: values file v.yaml \(environments/alpha/v.yaml\)|v.yaml:) can't be read: it has 1536 MiB: files of more than 32 MiB are not read`},
		{"an environment.yaml of aliases", func() string {
			w.write("environments/alpha/environment.yaml", alpha+repeated("      "))
			return ""
		}, `^environments/alpha/environment.yaml: with what its aliases repeat it holds more than 4 MiB of values: repeat less of it, or split it`},
		{"inline values of aliases", func() string {
			w.write("environments/alpha/environment.yaml", alpha+"      values:\n"+repeated("        "))
			return ""
		}, `^environments/alpha/environment.yaml: with what its aliases repeat it holds more than 4 MiB of values`},
		{"a file of values of aliases", func() string {
			w.write("environments/alpha/environment.yaml", alpha+"      values: [v.yaml]\n")
			w.write(values, repeated(""))
			return ""
		}, `^environments/alpha/v.yaml: with what its aliases repeat it holds more than 4 MiB of values: repeat less of it, or split it`},
		{"aliases that look like a file of SOPS", func() string {
			w.write("environments/alpha/environment.yaml", alpha+"      values: [v.sops.yaml]\n")
			w.write("environments/alpha/v.sops.yaml", repeated("")+"sops: {mac: x, lastmodified: \"2026-01-01T00:00:00Z\"}\n")
			return ""
		}, `^environments/alpha/v.sops.yaml: with what its aliases repeat it holds more than 4 MiB of values`},
		{"many files of values", func() string {
			w.write("environments/alpha/environment.yaml", alpha+"      values: ["+strings.Repeat("v.yaml, ", 100_000)+"v.yaml]\n")
			w.write(values, "a: "+strings.Repeat("x", 1_000_000)+"\n")
			return ""
		}, `^environments/alpha/environment.yaml:9: values of a release list 100001 files and maps, more than 100: merge some of them`},
		{"a patch of aliases", func() string {
			w.write("environments/alpha/environment.yaml", alpha+"      patches:\n        - target: {kind: ConfigMap}\n          patch: |\n"+repeated("            "))
			return ""
		}, `^environments/alpha/environment.yaml:11: a patch: (it has more than 512 KiB of YAML|with what its aliases repeat it holds more than 512 KiB of values)`},
		{"a patch that copies its copies", func() string {
			w.write("environments/alpha/environment.yaml", alpha+"      patches:\n        - target: {kind: ConfigMap}\n          patch: '"+doubling()+"'\n")
			return ""
		}, `^release own: environments/alpha/environment.yaml:11: the patch of ConfigMap \S+/own fails: it makes more than 3 MiB of it, which no API server takes: copy or add less`},
		{"a Chart.yaml of aliases", func() string {
			w.write("charts/own/Chart.yaml", ownChart+"annotations:\n"+repeated("  "))
			return ""
		}, `^environments/alpha/environment.yaml:7: chart charts/own of release own: `},
		{"a Chart.lock of aliases", func() string {
			w.write("charts/own/Chart.lock", repeated(""))
			return ""
		}, `^environments/alpha/environment.yaml:7: chart charts/own of release own: `},
		{"a chart of folders of the same folders, ten to the power of twelve", func() string { return w.nested(12) },
			`^environments/alpha/environment.yaml:7: chart charts/own of release own: it has more than 10000 files and folders or 20 MiB: put what is no part of the chart into another folder`},
	} {
		t.Logf("%s: %s", time.Now().Format(time.TimeOnly), c.name)
		w.write("environments/beta/web.yaml", fmt.Sprintf("message: calm %d\n", n))
		head := w.push(c.name, "charts/own/files", c.plant())
		w.awaitIn("alpha", head, "refused")
		if s, err := w.statusOf("alpha"); err != nil || !regexp.MustCompile(c.reason).MatchString(s.Reason) {
			t.Errorf("%s: refused for %q, %v; want %q", c.name, s.Reason, err, c.reason)
		}
		w.calm(fmt.Sprintf("calm %d", n))
	}
	w.awaitIn("alpha", w.push("Many files", "environments/alpha/many", w.many(100_000)), "no-op")
	select {
	case <-agent.done:
		t.Error("the agent has died")
	default:
	}
	most := peak()
	t.Log(most)
	if most.together() >= 1024 {
		t.Errorf("together they took more than 1 GiB: %s", most)
	}
}

// calm waits until the other environment is at a message.
func (w *world) calm(message string) {
	w.t.Helper()
	w.eventually(func() error {
		m, err := w.cluster.Kube.CoreV1().ConfigMaps(w.name+"-beta").Get(context.Background(), "calm", metav1.GetOptions{})
		if err == nil && m.Data["message"] != message {
			err = fmt.Errorf("beta is at %q", m.Data["message"])
		}
		return err
	})
}

// nested is a tree of ten trees of ten trees … that are all the same: few to git, and more
// than anybody can go through.
func (w *world) nested(levels int) string {
	w.t.Helper()
	tree, kind := w.git("-C", w.work, "hash-object", "-w", filepath.Join(w.work, "charts/own/Chart.yaml")), "100644 blob"
	for range levels {
		var list strings.Builder
		for i := range 10 {
			fmt.Fprintf(&list, "%s %s\td%d\n", kind, tree, i)
		}
		tree, kind = w.tree(list.String()), "040000 tree"
	}
	return tree
}

// tree makes a tree of what git ls-tree lists.
func (w *world) tree(list string) string {
	w.t.Helper()
	cmd := exec.Command("git", "-C", w.work, "mktree")
	cmd.Stdin = strings.NewReader(list)
	out, err := cmd.Output()
	if err != nil {
		w.t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// grafted is a tree with another one put into it. The index has no room for what is too
// much.
func (w *world) grafted(root string, path []string, tree string) string {
	w.t.Helper()
	list, inner := "", tree
	for line := range strings.Lines(w.git("-C", w.work, "ls-tree", root) + "\n") {
		entry, name, _ := strings.Cut(strings.TrimSpace(line), "\t")
		if name == path[0] {
			inner = w.grafted(strings.Fields(entry)[2], path[1:], tree)
			continue
		}
		if name != "" {
			list += entry + "\t" + name + "\n"
		}
	}
	return w.tree(list + "040000 tree " + inner + "\t" + path[0] + "\n")
}

// push commits what there is, with a tree put into it if one is given, in the place of
// what was pushed before, and goes back to where it was.
func (w *world) push(subject, at, tree string) string {
	w.t.Helper()
	w.git("-C", w.work, "add", "--all")
	root := w.git("-C", w.work, "write-tree")
	if tree != "" {
		root = w.grafted(root, strings.Split(at, "/"), tree)
	}
	head := w.git("-C", w.work, "commit-tree", "-p", "HEAD", "-m", subject, root)
	w.git("-C", w.work, "push", "--quiet", "--force", "origin", head+":refs/heads/main")
	w.git("-C", w.work, "reset", "--quiet", "--hard", "HEAD")
	return head
}

// many is a tree of many files.
func (w *world) many(n int) string {
	w.t.Helper()
	blob, list := w.git("-C", w.work, "rev-parse", "HEAD:charts/own/Chart.yaml"), strings.Builder{}
	for i := range n {
		fmt.Fprintf(&list, "100644 blob %s\tconfiguration-%06d.yaml\n", blob, i)
	}
	return w.tree(list.String())
}

// memory is what processes had resident, in MiB.
type memory struct{ agent, workers, sum int }

// together is the most that they can have had: what was seen at the same time, or the most
// of each, whichever is more.
func (m memory) together() int { return max(m.sum, m.agent+m.workers) }

func (m memory) String() string {
	return fmt.Sprintf("the agent had %d MiB at the most, the processes that render %d, together at once %d", m.agent, m.workers, m.sum)
}

// watchMemory looks at an agent and its workers again and again until it is asked for the
// most that they had. What they share, their program's file, counts once.
func watchMemory(t *testing.T, p *process) func() memory {
	var most memory
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			own, workers := residentOf(strconv.Itoa(p.cmd.Process.Pid), true), 0
			for _, child := range workersOf(p.cmd.Process.Pid) {
				workers += residentOf(child, false)
			}
			most = memory{max(most.agent, own), max(most.workers, workers), max(most.sum, own+workers)}
			select {
			case <-stop:
				return
			case <-time.After(10 * time.Millisecond): // between two looks
			}
		}
	}()
	end := sync.OnceFunc(func() { close(stop); <-done })
	t.Cleanup(end)
	return func() memory {
		end()
		most.agent = max(most.agent, peakMemory(t, p))
		return most
	}
}

func workersOf(pid int) []string {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid)) // the pattern is one
	var out []string
	for _, l := range lists {
		raw, _ := os.ReadFile(l) // a thread may be gone
		out = append(out, strings.Fields(string(raw))...)
	}
	return out
}

var residentLine = regexp.MustCompile(`(RssAnon|RssFile|RssShmem):\s+(\d+) kB`)

// residentOf is what a process has now, in MiB; nothing if it is gone.
func residentOf(pid string, files bool) int {
	raw, _ := os.ReadFile("/proc/" + pid + "/status") // it may be gone
	kib := 0
	for _, m := range residentLine.FindAllStringSubmatch(string(raw), -1) {
		if n, _ := strconv.Atoi(m[2]); files || m[1] != "RssFile" { // it is digits
			kib += n
		}
	}
	return kib >> 10
}
