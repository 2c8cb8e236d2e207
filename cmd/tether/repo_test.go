package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestACommandFindsTheRepositoryFromASubfolder(t *testing.T) {
	root := t.TempDir()
	for _, dir := range []string{"work/.git", "work/environments/prod", "work/charts/web/templates", "tree/environments", "bare.git/objects/info", "other/deep"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]string{
		"work": "work", "work/environments/prod": "work", "work/charts/web/templates": "work",
		"tree": "tree", "bare.git": "bare.git", "other/deep": "other/deep",
	} {
		if have := rootOf(filepath.Join(root, path)); have != filepath.Join(root, want) {
			t.Errorf("from %s: %s, not %s", path, have, want)
		}
	}
}
