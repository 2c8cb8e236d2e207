package main

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/xetys/tether/render/images"
)

// hostileCheckout is a checkout beside a file that is not its own, with symbolic links that
// a commit brought.
func hostileCheckout(t *testing.T, links map[string]string) (root, outside string) {
	t.Helper()
	dir := t.TempDir()
	root, outside = filepath.Join(dir, "checkout"), filepath.Join(dir, "outside")
	if err := os.MkdirAll(filepath.Join(root, "environments"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(outside, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(outside, "profile"), []byte("mine\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, to := range links {
		at := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(to, at); err != nil {
			t.Fatal(err)
		}
	}
	return root, outside
}

// unharmed checks that a folder has its one file, as it was.
func unharmed(t *testing.T, outside string) {
	t.Helper()
	all, err := os.ReadDir(outside)
	if err != nil || len(all) != 1 {
		t.Errorf("%v lies outside of the checkout: %v", all, err)
	}
	if text, err := os.ReadFile(filepath.Join(outside, "profile")); err != nil || string(text) != "mine\n" {
		t.Errorf("a file outside of the checkout is %q: %v", text, err)
	}
}

// A link that lies where a file was once prepared leads nobody's writes anywhere.
func TestAnEditStaysInTheCheckout(t *testing.T) {
	const file = "environments/web.yaml"
	root, outside := hostileCheckout(t, map[string]string{file + ".tether": "../../outside/profile"})
	at := filepath.Join(root, filepath.FromSlash(file))
	if err := os.WriteFile(at, []byte("tag: v1\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	g := gitWrite{dir: root}
	if err := g.carryOut(t.Context(), io.Discard, []*images.Change{{File: file, Before: []byte("tag: v1\n"), After: []byte("tag: v2\n")}}, ""); err != nil {
		t.Fatal(err)
	}
	unharmed(t, outside)
	info, err := os.Lstat(at)
	if err != nil || info.Mode() != 0o640 {
		t.Errorf("the file has the mode %v: %v", info.Mode(), err)
	}
	if text, err := os.ReadFile(at); err != nil || string(text) != "tag: v2\n" {
		t.Errorf("the file is %q: %v", text, err)
	}
	if all, err := os.ReadDir(filepath.Dir(at)); err != nil || len(all) != 2 {
		t.Errorf("%v is left in the folder: %v", all, err)
	}
}

// Files are written to folders of the checkout, whatever links a commit brought.
func TestAnAdoptionStaysInTheCheckout(t *testing.T) {
	for sentence, links := range map[string]map[string]string{
		"an environment that leads outside": {"environments/prod": "../../outside"},
		"a file that leads outside":         {"environments/prod/web.yaml": "../../../outside/new"},
		"an environment that leads to git":  {"environments/prod": "../.git"},
	} {
		t.Run(sentence, func(t *testing.T) {
			root, outside := hostileCheckout(t, links)
			if err := os.Mkdir(filepath.Join(root, ".git"), 0o755); err != nil {
				t.Fatal(err)
			}
			err := writeNew(root, map[string][]byte{"environments/prod/environment.yaml": []byte("a: b\n"), "environments/prod/web.yaml": []byte("tag: v1\n")})
			if err == nil {
				t.Error("it was written")
			}
			unharmed(t, outside)
			if all, err := os.ReadDir(filepath.Join(root, ".git")); err != nil || len(all) > 0 {
				t.Errorf("%v lies in .git: %v", all, err)
			}
			if _, err := os.Lstat(filepath.Join(root, "environments/prod/environment.yaml")); err == nil {
				t.Error("half of it is left")
			}
		})
	}
	root, outside := hostileCheckout(t, nil)
	for _, name := range []string{"../outside/x.yaml", "environments/../../outside/x.yaml"} {
		if err := writeNew(root, map[string][]byte{name: []byte("a: b\n")}); err == nil {
			t.Errorf("%s was written", name)
		}
		unharmed(t, outside)
	}
}
