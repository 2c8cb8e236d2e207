package main

import (
	"crypto/sha256"
	"debug/buildinfo"
	"debug/elf"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/xetys/tether/render/manifest"
)

const sums = "sha256sums.txt"

// sumOf reads a whole file: the largest is a binary of some 80 MB.
func sumOf(file string) (string, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%x", sha256.Sum256(b)), nil
}

// writeSums writes the checksums of a folder's files, as sha256sum --check reads them.
func writeSums(dist string) error {
	files, err := os.ReadDir(dist)
	if err != nil {
		return err
	}
	var out strings.Builder
	for _, f := range files {
		sum, err := sumOf(filepath.Join(dist, f.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&out, "%s  %s\n", sum, f.Name())
	}
	return os.WriteFile(filepath.Join(dist, sums), []byte(out.String()), 0o644)
}

// checkSums holds a folder to its checksums: each file has one, and it is right.
func checkSums(dist string) error {
	b, err := os.ReadFile(filepath.Join(dist, sums))
	if err != nil {
		return err
	}
	listed := map[string]string{}
	for line := range strings.Lines(string(b)) {
		sum, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		listed[name] = sum
	}
	files, err := os.ReadDir(dist)
	if err != nil {
		return err
	}
	for _, f := range files {
		if f.Name() == sums {
			continue
		}
		sum, err := sumOf(filepath.Join(dist, f.Name()))
		if err != nil {
			return err
		}
		if listed[f.Name()] != sum {
			return fmt.Errorf("%s: its checksum is %s, and %s lists %q", f.Name(), sum, sums, listed[f.Name()])
		}
		delete(listed, f.Name())
	}
	for name := range listed {
		return fmt.Errorf("%s is listed in %s, and missing", name, sums)
	}
	return nil
}

// check holds the files of a release to what they are said to be.
func (r release) check() error {
	for _, t := range r.targets {
		if err := checkBinary(r.binary(t), t, r.version); err != nil {
			return fmt.Errorf("%s: %w", r.binary(t), err)
		}
	}
	if err := run(exec.Command(r.helm, "lint", "--strict", r.chart(), "--kube-version", kubeVersion, "--set", placeholders[0], "--set", placeholders[1])); err != nil {
		return err
	}
	chart, err := output(exec.Command(r.helm, "show", "chart", r.chart()))
	if err != nil {
		return err
	}
	for _, line := range []string{"version: " + r.version[1:], "appVersion: " + r.version} {
		if !slices.Contains(strings.Split(string(chart), "\n"), line) {
			return fmt.Errorf("%s: Chart.yaml has no line %q", r.chart(), line)
		}
	}
	if err := checkManifest(r.manifest(), r.version); err != nil {
		return fmt.Errorf("%s: %w", r.manifest(), err)
	}
	return checkSums(r.dist)
}

func checkBinary(file string, t target, version string) error {
	info, err := buildinfo.ReadFile(file)
	if err != nil {
		return err
	}
	for key, want := range map[string]string{"GOOS": t.os, "GOARCH": t.arch, "CGO_ENABLED": "0", "-trimpath": "true"} {
		if have := setting(info, key); have != want {
			return fmt.Errorf("it was built with %s=%s, not %s", key, have, want)
		}
	}
	if t.os == "linux" {
		if err := checkStatic(file); err != nil {
			return err
		}
	}
	if t.os == runtime.GOOS && t.arch == runtime.GOARCH {
		out, err := exec.Command(file, "version").Output()
		if err != nil || !strings.HasPrefix(string(out), "tether "+version+" ") {
			return fmt.Errorf("its version is %q, not %s (%v)", out, version, err)
		}
	}
	return checkBill(file+".cdx.json", info)
}

func setting(info *debug.BuildInfo, key string) string {
	for _, s := range info.Settings {
		if s.Key == key {
			return s.Value
		}
	}
	return ""
}

// checkStatic refuses a program that needs a loader, which the image does not have.
func checkStatic(file string) error {
	f, err := elf.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return fmt.Errorf("it is linked dynamically")
		}
	}
	return nil
}

// checkBill holds the list of components to the modules that the binary itself names.
func checkBill(file string, info *debug.BuildInfo) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var bill struct {
		BOMFormat  string `json:"bomFormat"`
		Components []struct {
			Name    string `json:"name"`
			Version string `json:"version"`
		} `json:"components"`
	}
	if err := json.Unmarshal(b, &bill); err != nil {
		return err
	}
	if bill.BOMFormat != "CycloneDX" {
		return fmt.Errorf("%s: its format is %q, not CycloneDX", file, bill.BOMFormat)
	}
	listed := map[string]bool{}
	for _, c := range bill.Components {
		listed[c.Name+"@"+c.Version] = true
	}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		if !listed[m.Path+"@"+m.Version] {
			return fmt.Errorf("%s: module %s %s is missing", file, m.Path, m.Version)
		}
	}
	return nil
}

// checkManifest parses the install manifest as Tether parses what charts render. kubectl puts
// an object that names no namespace into that of the user's context: each has to name its own.
func checkManifest(file, version string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	const unnamed = "(none)"
	objects, err := manifest.Parse(string(b), unnamed, nil)
	if err != nil {
		return err
	}
	kinds := map[string]int{}
	for _, o := range objects {
		if kinds[o.GetKind()]++; o.GetNamespace() == unnamed {
			return fmt.Errorf("%s names no namespace", o.ID())
		}
	}
	for _, kind := range []string{"Namespace", "Deployment", "ServiceAccount", "ClusterRole", "ClusterRoleBinding"} {
		if kinds[kind] == 0 {
			return fmt.Errorf("it has no %s", kind)
		}
	}
	if !strings.Contains(string(b), "tether:"+version+"\"") && !strings.Contains(string(b), "tether:"+version+"\n") {
		return fmt.Errorf("it has no image of version %s", version)
	}
	return nil
}
