package git_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xetys/tether/source/git"
)

// A repository on the agent's own disk is read by the git program, which reads its
// configuration too. Whatever that names as a command, nothing of it is run.
func TestARepositoryOnDiskRunsNothing(t *testing.T) {
	r := newRemote(t)
	head := r.commit("calm", "x\n", "one")
	ran := t.TempDir()
	program := filepath.Join(t.TempDir(), "program")
	script := fmt.Sprintf("#!/bin/sh\ntouch %s/$(basename $0)-$$\nexec \"$@\"\n", ran)
	if err := os.WriteFile(program, []byte(script), 0o700); err != nil { //nolint:gosec // it is a program
		t.Fatal(err)
	}
	hooks := filepath.Join(r.bare, "hooks")
	for _, name := range []string{"pre-receive", "post-checkout", "reference-transaction", "fsmonitor-watchman", "pre-auto-gc", "post-upload-pack", "pre-upload-pack"} {
		if err := os.WriteFile(filepath.Join(hooks, name), []byte(script), 0o700); err != nil { //nolint:gosec // as above
			t.Fatal(err)
		}
	}
	other := newRemote(t)
	other.commit("other", "y\n", "of another repository")
	if err := os.WriteFile(filepath.Join(r.bare, "objects", "info", "alternates"), []byte(filepath.Join(other.bare, "objects")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, set := range []string{"uploadpack.packObjectsHook", "core.alternateRefsCommand", "core.fsmonitor", "core.sshCommand", "core.pager", "core.editor",
		"core.gitProxy", "gpg.program", "credential.helper", "filter.x.smudge", "diff.external", "remote.origin.uploadpack", "alias.upload-pack"} {
		r.git(r.bare, "config", set, program)
	}
	r.git(r.bare, "config", "core.hooksPath", hooks)
	// A missing object would be asked for of a promisor, by a command of its own.
	r.git(r.bare, "config", "core.repositoryFormatVersion", "1")
	r.git(r.bare, "config", "extensions.partialClone", "origin")
	r.git(r.bare, "config", "remote.origin.promisor", "true")
	r.git(r.bare, "config", "remote.origin.url", "ext::"+program)
	r.git(r.bare, "config", "protocol.ext.allow", "always")
	repo := open(t, r, filepath.Join(t.TempDir(), "clone"))
	fetch(t, repo, head)

	// The next commit has a file that is not there.
	gone := "1234567890123456789012345678901234567890"
	tree := r.tree("100644 blob " + gone + "\tmissing\n")
	lost := r.git(r.bare, "commit-tree", "-p", head, "-m", "lost", tree)
	if len(lost) != 40 {
		t.Fatalf("no commit: %q", lost)
	}
	point := func(to string) { // git update-ref would run a hook, which is right
		t.Helper()
		if err := os.WriteFile(filepath.Join(r.bare, "refs", "heads", "main"), []byte(to+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	point(lost)
	if _, err := repo.Fetch(t.Context()); err == nil {
		t.Error("a commit is taken of which a file is missing")
	}
	if found, err := os.ReadDir(ran); err != nil || len(found) > 0 {
		t.Errorf("it ran %v, %v", found, err)
	}
	if _, err := repo.Revision(head); err != nil {
		t.Errorf("what was fetched before: %v", err)
	}

	// Who runs the agent may name such a command, and then it is run: this test would see it.
	point(head)
	t.Setenv("GIT_CONFIG_COUNT", "1")
	t.Setenv("GIT_CONFIG_KEY_0", "uploadpack.packObjectsHook")
	t.Setenv("GIT_CONFIG_VALUE_0", program)
	fetch(t, open(t, r, filepath.Join(t.TempDir(), "clone")), head)
	if found, err := os.ReadDir(ran); err != nil || len(found) == 0 {
		t.Errorf("the agent's own command did not run, %v: this test shows nothing", err)
	}
}

// What a tree says to git (attributes, submodules) is said to a working tree, which there is
// none of: files are as they were committed, and nothing else is asked.
func TestWhatATreeSaysToGitIsNotFollowed(t *testing.T) {
	r := newRemote(t)
	r.commit(".gitmodules", "[submodule \"charts\"]\n\tpath = charts\n\turl = ext::sh -c touch% /tmp/x\n\tupdate = !touch /tmp/x\n", "modules")
	r.commit(".lfsconfig", "[lfs]\n\turl = http://127.0.0.1:1/\n", "lfs")
	r.commit(".gitattributes", "*.yaml filter=lfs diff=x ident export-subst\nhidden.yaml export-ignore\n", "attributes")
	r.commit("hidden.yaml", "id: $Id$ $Format:%H$\r\n", "a file")
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("hidden"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{"absolute": secret, "up": "../../../../../../../../../../etc/passwd", "itself": "itself", "folder": filepath.Dir(secret)} {
		if err := os.Symlink(to, filepath.Join(r.work, name)); err != nil {
			t.Fatal(err)
		}
	}
	r.git(r.work, "update-index", "--add", "--cacheinfo", "160000,"+r.git(r.work, "rev-parse", "HEAD")+",charts")
	r.git(r.work, "commit", "-qm", "a submodule")
	head := r.commit("last", "x", "links")
	repo := open(t, r, filepath.Join(t.TempDir(), "clone"))
	fetch(t, repo, head)
	rev, err := repo.Revision(head)
	if err != nil {
		t.Fatal(err)
	}
	if raw, err := fs.ReadFile(rev.Files, "hidden.yaml"); err != nil || string(raw) != "id: $Id$ $Format:%H$\r\n" {
		t.Errorf("%q, %v", raw, err)
	}
	for _, name := range []string{"absolute", "up", "itself", "folder/secret", "charts", "charts/Chart.yaml", ".git/config", "../bare.git/config"} {
		if raw, err := fs.ReadFile(rev.Files, name); err == nil || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%s: %q, %v", name, raw, err)
		}
	}
	// The same of a checkout, as the command line reads it.
	local, err := git.OpenLocal(r.work, "HEAD")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"absolute", "folder/secret", "charts/Chart.yaml"} {
		if raw, err := fs.ReadFile(local.Files, name); err == nil {
			t.Errorf("%s: %q", name, raw)
		}
	}
}
