// Command release builds what a release publishes into a folder, and checks it. It
// knows nothing of git, of registries, and of where the files are published: the version is
// an argument.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// target is a platform that a binary is built for.
type target struct{ os, arch string }

var versions = regexp.MustCompile(`^v(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?$`)

// release is what is built, and the tools that build it.
type release struct {
	dist, version string
	targets       []target
	helm, sbom    string
}

func main() {
	var r release
	var targets string
	flag.StringVar(&r.dist, "dist", "dist", "the folder to write to; it must be empty, or not exist")
	flag.StringVar(&r.version, "version", "", "the version, as v1.2.3")
	flag.StringVar(&targets, "targets", "linux/amd64,linux/arm64,darwin/amd64,darwin/arm64", "the platforms to build for")
	flag.StringVar(&r.helm, "helm", "bin/helm", "the helm to pack the chart with")
	flag.StringVar(&r.sbom, "cyclonedx-gomod", "bin/cyclonedx-gomod", "the program that lists what a binary is built of")
	flag.Parse()
	for _, t := range strings.Split(targets, ",") {
		os, arch, _ := strings.Cut(t, "/")
		r.targets = append(r.targets, target{os, arch})
	}
	if err := r.make(); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// make builds all files, and then checks them as somebody would who downloads them.
func (r release) make() error {
	if !versions.MatchString(r.version) {
		return fmt.Errorf("%q is no version: tag the commit (git tag v1.2.3), or give it: make release VERSION=v1.2.3", r.version)
	}
	if files, err := os.ReadDir(r.dist); err == nil && len(files) > 0 {
		return fmt.Errorf("%s is not empty: move its files away, so that none of another release is published", r.dist)
	}
	if err := os.MkdirAll(r.dist, 0o755); err != nil {
		return err
	}
	for _, t := range r.targets {
		if err := r.build(t); err != nil {
			return err
		}
	}
	if err := r.pack(); err != nil {
		return err
	}
	if err := r.writeManifest(); err != nil {
		return err
	}
	if err := writeSums(r.dist); err != nil {
		return err
	}
	return r.check()
}

func (r release) binary(t target) string {
	return filepath.Join(r.dist, fmt.Sprintf("tether_%s_%s_%s", r.version[1:], t.os, t.arch))
}

func (r release) chart() string { return filepath.Join(r.dist, "tether-"+r.version[1:]+".tgz") }

func (r release) manifest() string { return filepath.Join(r.dist, "install.yaml") }

// build builds the binary of a platform, and the list of what it is built of. -trimpath and
// the missing build ID have two builds of the same commit be the same bytes.
func (r release) build(t target) error {
	out := r.binary(t)
	fmt.Println("building", out)
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -buildid= -X main.version="+r.version, "-o", out, "./cmd/tether")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+t.os, "GOARCH="+t.arch)
	if err := run(cmd); err != nil {
		return err
	}
	return run(exec.Command(r.sbom, "bin", "-json", "-std", "-noserial", "-notimestamp", "-version", r.version, "-output", out+".cdx.json", out))
}

// pack packs the chart with the version as its own and as that of the image.
func (r release) pack() error {
	return run(exec.Command(r.helm, "package", "charts/tether", "--version", r.version[1:], "--app-version", r.version, "--destination", r.dist))
}

// placeholders stand in the install manifest where nobody but its user knows what belongs there.
var placeholders = []string{"repository.url=https://git.example.com/you/config", "environments={production}"}

// kubeVersion is given to Helm, whose own is that of the library that it was built with.
const kubeVersion = "1.37.0"

// writeManifest renders the packed chart for who has no Helm.
func (r release) writeManifest() error {
	args := []string{"template", "tether", r.chart(), "--namespace", "tether-system", "--kube-version", kubeVersion}
	for _, p := range placeholders {
		args = append(args, "--set", p)
	}
	rendered, err := output(exec.Command(r.helm, args...))
	if err != nil {
		return err
	}
	head := "# Tether " + r.version + ", for who has no Helm. Put your repository in the place of --repo and your\n" +
		"# environments in that of --environment, then: kubectl apply --server-side -f install.yaml\n" +
		"apiVersion: v1\nkind: Namespace\nmetadata:\n  name: tether-system\n  labels:\n    pod-security.kubernetes.io/enforce: restricted\n"
	return os.WriteFile(r.manifest(), append([]byte(head), rendered...), 0o644)
}

func run(cmd *exec.Cmd) error {
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return nil
}

// output runs a command and returns what it printed; an error has what it complained of.
func output(cmd *exec.Cmd) ([]byte, error) {
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, errs.String())
	}
	return out, nil
}
