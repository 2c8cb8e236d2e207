package house_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The image is built of what .dockerignore lets through and the Dockerfile copies: all that the
// program is made of, what it embeds included.
func TestTheImageIsBuiltOfAllThatItNeeds(t *testing.T) {
	const root, program = "../..", "./cmd/tether"
	admitted := lines(t, root+"/.dockerignore")
	var copied []string
	for _, line := range lines(t, root+"/Dockerfile") {
		words := strings.Fields(line)
		if len(words) < 3 || words[0] != "COPY" || strings.HasPrefix(words[1], "--from") {
			continue
		}
		to := words[len(words)-1]
		for _, from := range words[1 : len(words)-1] {
			if !slices.Contains(admitted, "!"+from) {
				t.Errorf("the Dockerfile copies %s, which .dockerignore leaves out", from)
				continue
			}
			copied = append(copied, from)
			if to != "./" && to != from {
				t.Errorf("the Dockerfile copies %s to %s", from, to)
			}
		}
	}
	if len(copied) < 5 {
		t.Fatalf("the Dockerfile copies %q: its lines are not found any more", copied)
	}
	folder := t.TempDir()
	for _, from := range copied {
		copyTo(t, filepath.Join(root, from), filepath.Join(folder, from))
	}
	list := exec.Command("go", "list", "-deps", program)
	var said strings.Builder
	list.Dir, list.Stderr = folder, &said
	if err := list.Run(); err != nil {
		t.Errorf("go list -deps %s in the image: %v\n%s", program, err, said.String())
	}
}

func lines(t *testing.T, file string) []string {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(text), "\n")
}

// copyTo copies a file, or a folder with all that is in it.
func copyTo(t *testing.T, from, to string) {
	info, err := os.Stat(from)
	if err == nil && info.IsDir() {
		err = os.CopyFS(to, os.DirFS(from))
	} else if err == nil {
		var text []byte
		if text, err = os.ReadFile(from); err == nil {
			err = os.WriteFile(to, text, 0o600)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}
