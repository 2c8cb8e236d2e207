// Package e2e_test holds the built binary to its promises, as scripts that a user
// could type: testdata/*.txtar, each on a real control plane and a real bare git
// repository of its own.
//
// In a script, $NS is a namespace of its own, $REPO its repository, and the files
// below repo/, to which charts/ is added, what the next commit holds, with ${NS},
// ${REGISTRY} and ${SHOP} replaced. See commands for what can be typed besides testscript's
// own commands.
package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/xetys/tether/test/cluster"
)

func TestMain(m *testing.M) { cluster.Main(m) }

func TestScripts(t *testing.T) {
	c := cluster.Shared(t)
	bin := toolbox(t, c)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Setup:               func(env *testscript.Env) error { return setup(env, c, bin) },
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"agekey":    agekey,
			"answers":   answersAtOnce,
			"bump":      bump,
			"runs":      runs,
			"commit":    commit,
			"encrypt":   encrypt,
			"pgpkey":    pgpkey,
			"push":      push,
			"exits":     exits,
			"fault":     fault,
			"faults":    startFaults,
			"githost":   githost,
			"hang":      hang,
			"ingresses": ingresses,
			"kms":       kms,
			"serve":     serve,
			"shop":      shop,
			"await":     await,
			"requests":  askedFor,
			"until":     until,
			"within":    within,
			"snapshot":  snapshot,
			"registry":  registry,
			"publish":   publish,
		},
	})
}

// toolbox is a folder with what scripts may run: tether, helm, helm4 and kubectl.
func toolbox(t *testing.T, c *cluster.Cluster) string {
	bin := t.TempDir()
	for _, name := range []string{"tether", "helm"} {
		path, err := cluster.Binary(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(path, filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	control, err := cluster.Binary("controlplane")
	if err != nil {
		t.Fatal(err)
	}
	for name, program := range map[string]string{"kubectl": control + " kubectl", "helm4": filepath.Join(filepath.Dir(control), "helm4")} {
		script := fmt.Sprintf("#!/bin/sh\nexec %s \"$@\"\n", program)
		if err := os.WriteFile(filepath.Join(bin, name), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return bin
}

var notName = regexp.MustCompile(`[^a-z0-9]+`)

func setup(env *testscript.Env, c *cluster.Cluster, bin string) error {
	name := notName.ReplaceAllString(strings.ToLower(filepath.Base(env.WorkDir)), "-")
	root, err := cluster.Root()
	if err != nil {
		return err
	}
	for k, v := range map[string]string{
		"NS": name, "SYSTEM": name + "-system", "ROOT": root,
		"REPO": filepath.Join(env.WorkDir, "repo.git"), "KUBECONFIG": c.Kubeconfig,
		"PATH":             bin + string(os.PathListSeparator) + os.Getenv("PATH"),
		"TETHER_REPO":      filepath.Join(env.WorkDir, "repo.git"),
		"TETHER_NAMESPACE": name + "-system", "TETHER_DATA_DIR": filepath.Join(env.WorkDir, "data"),
		"TETHER_LISTEN": "", "TETHER_INTERVAL": "200ms", "TETHER_LOG_FORMAT": "text",
		"GIT_CONFIG_GLOBAL": filepath.Join(env.WorkDir, "gitconfig"), "GIT_CONFIG_SYSTEM": os.DevNull,
		"HOME": env.WorkDir,
	} {
		env.Setenv(k, v)
	}
	if err := os.CopyFS(filepath.Join(env.WorkDir, "repo", "charts"), os.DirFS(filepath.Join(root, "test", "e2e", "charts"))); err != nil {
		return err
	}
	config := "[user]\nname = Ann\nemail = ann@example.com\n[init]\ndefaultBranch = main\n[advice]\ndetachedHead = false\n"
	return os.WriteFile(filepath.Join(env.WorkDir, "gitconfig"), []byte(config), 0o600)
}

// commit commits repo/ as it stands, with ${NS} replaced, and pushes it. HEAD is
// then the commit.
func commit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: commit MESSAGE")
	}
	dir := ts.MkAbs("repo")
	if _, err := os.Stat(filepath.Join(dir, ".git")); err != nil {
		git(ts, "init", "--quiet", "--bare", ts.Getenv("REPO"))
		git(ts, "-C", dir, "init", "--quiet")
		git(ts, "-C", dir, "remote", "add", "origin", ts.Getenv("REPO"))
	}
	ts.Check(filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() || filepath.Ext(path) != ".yaml" {
			return err
		}
		raw, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(raw), "${") {
			return err
		}
		text := strings.NewReplacer("${NS}", ts.Getenv("NS"), "${REGISTRY}", ts.Getenv("REGISTRY"), "${SHOP}", ts.Getenv("SHOP")).Replace(string(raw))
		return os.WriteFile(path, []byte(text), 0o600)
	}))
	git(ts, "-C", dir, "add", "--all")
	git(ts, "-C", dir, "commit", "--quiet", "--allow-empty", "--message", args[0])
	push(ts, false, nil)
}

// bump commits another tag of the release web in environment prod: bump TAG.
func bump(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: bump TAG")
	}
	ts.Check(os.WriteFile(ts.MkAbs("repo/environments/prod/web.yaml"), []byte("tag: "+args[0]+"\n"), 0o600))
	commit(ts, false, []string{"Web " + args[0]})
}

// push pushes what was committed by other means. HEAD is then the commit.
func push(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: push")
	}
	dir := ts.MkAbs("repo")
	git(ts, "-C", dir, "push", "--quiet", "--force", "origin", "HEAD:main")
	ts.Setenv("HEAD", strings.TrimSpace(git(ts, "-C", dir, "rev-parse", "HEAD")))
}

func git(ts *testscript.TestScript, args ...string) string {
	cmd := exec.Command("git", args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "GIT_CONFIG_SYSTEM=" + os.DevNull, "GIT_CONFIG_GLOBAL=" + ts.Getenv("GIT_CONFIG_GLOBAL")}
	out, err := cmd.CombinedOutput()
	if err != nil {
		ts.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return string(out)
}
