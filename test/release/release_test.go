package main

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestAChangedFileFailsItsChecksum(t *testing.T) {
	for name, change := range map[string]func(dist string) error{
		"a file that is changed": func(dist string) error { return os.WriteFile(filepath.Join(dist, "a"), []byte("b"), 0o644) },
		"a file that is missing": func(dist string) error { return os.Remove(filepath.Join(dist, "a")) },
		"a file that is added":   func(dist string) error { return os.WriteFile(filepath.Join(dist, "c"), nil, 0o644) },
	} {
		t.Run(name, func(t *testing.T) {
			dist := t.TempDir()
			if err := os.WriteFile(filepath.Join(dist, "a"), []byte("a"), 0o644); err != nil {
				t.Fatal(err)
			}
			if err := writeSums(dist); err != nil {
				t.Fatal(err)
			}
			if err := checkSums(dist); err != nil {
				t.Fatalf("unchanged: %v", err)
			}
			if err := change(dist); err != nil {
				t.Fatal(err)
			}
			if err := checkSums(dist); err == nil {
				t.Error("it was accepted")
			}
		})
	}
}

func TestABinaryOfAnotherPlatformIsRefused(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	err = checkBinary(self, target{runtime.GOOS, "s390x"}, "v1.2.3")
	if err == nil || !strings.Contains(err.Error(), "GOARCH="+runtime.GOARCH) && !strings.Contains(err.Error(), "trimpath") {
		t.Errorf("got %v", err)
	}
}

func TestAnInstallManifestIsWhole(t *testing.T) {
	object := func(kind string) string {
		return "---\napiVersion: v1\nkind: " + kind + "\nmetadata:\n  name: a\n  namespace: tether-system\n"
	}
	whole := object("Namespace") + object("Deployment") + object("ServiceAccount") + object("ClusterRole") + object("ClusterRoleBinding") + "# image: tether:v1.2.3\n"
	for name, c := range map[string]struct{ text, want string }{
		"whole":               {whole, ""},
		"no Deployment":       {strings.Replace(whole, object("Deployment"), "", 1), "no Deployment"},
		"an image of another": {strings.Replace(whole, "v1.2.3", "v1.2.2", 1), "no image"},
		"an object in no namespace": {strings.Replace(whole, "kind: ServiceAccount\nmetadata:\n  name: a\n  namespace: tether-system\n", "kind: ServiceAccount\nmetadata:\n  name: a\n", 1),
			"ServiceAccount"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "install.yaml")
			if err := os.WriteFile(file, []byte(c.text), 0o644); err != nil {
				t.Fatal(err)
			}
			err := checkManifest(file, "v1.2.3")
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestAVersionIsATag(t *testing.T) {
	for _, v := range []string{"", "dev", "1.2.3", "bb9f1ea", "v1.2", "v1.2.3-4-gabcdef-dirty+x"} {
		r := release{dist: filepath.Join(t.TempDir(), "dist"), version: v}
		if err := r.make(); err == nil || !strings.Contains(err.Error(), "is no version") {
			t.Errorf("%q: got %v", v, err)
		}
	}
}

func TestFilesOfAnotherReleaseAreNotPublished(t *testing.T) {
	dist := t.TempDir()
	if err := os.WriteFile(filepath.Join(dist, "tether_1.0.0_linux_amd64"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := (release{dist: dist, version: "v1.2.3"}).make(); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("got %v", err)
	}
}
