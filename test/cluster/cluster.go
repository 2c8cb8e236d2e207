// Package cluster gives tests a real control plane: one per test binary, started
// at its first use and ended by Main.
//
// It does not know Tether.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Cluster is a running control plane. It is safe for concurrent use.
type Cluster struct {
	Dir        string
	Kubeconfig string
	AuditLog   string // one line of metadata per request
	Config     *rest.Config
	Kube       kubernetes.Interface
}

var shared struct {
	once    sync.Once
	cluster *Cluster
	err     error
}

// Shared returns the control plane that all tests of the binary share. Its
// package's TestMain has to be Main.
func Shared(tb testing.TB) *Cluster {
	tb.Helper()
	shared.once.Do(func() { shared.cluster, shared.err = start() })
	if shared.err != nil {
		tb.Fatal(shared.err)
	}
	return shared.cluster
}

// Main runs a package's tests and ends the control plane, if one was started.
func Main(m *testing.M) {
	code := m.Run()
	if c := shared.cluster; c != nil {
		if err := c.stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// Start returns a control plane of the test's own, for tests that stop it.
func Start(tb testing.TB) *Cluster {
	tb.Helper()
	c, err := start()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := c.stop(); err != nil {
			tb.Error(err)
		}
	})
	return c
}

func start() (*Cluster, error) {
	dir, err := os.MkdirTemp("", "tether-cluster-")
	if err != nil {
		return nil, err
	}
	c := &Cluster{Dir: dir, Kubeconfig: filepath.Join(dir, "kubeconfig"), AuditLog: filepath.Join(dir, "audit.log")}
	if err := c.control("up", "--detach", "--audit-log"); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if c.Config, err = clientcmd.BuildConfigFromFlags("", c.Kubeconfig); err != nil {
		return nil, errors.Join(err, c.stop())
	}
	c.Config.QPS = -1
	if c.Kube, err = kubernetes.NewForConfig(c.Config); err != nil {
		return nil, errors.Join(err, c.stop())
	}
	return c, nil
}

func (c *Cluster) stop() error {
	return errors.Join(c.control("down"), os.RemoveAll(c.Dir))
}

func (c *Cluster) control(verb string, args ...string) error {
	binary, err := Binary("controlplane")
	if err != nil {
		return err
	}
	cmd := exec.Command(binary, append([]string{verb, "--dir", c.Dir}, args...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", cmd, err, out)
	}
	return nil
}

// KillServer kills the API server; the control plane starts it again.
func (c *Cluster) KillServer(tb testing.TB) {
	tb.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		tb.Fatal(err)
	}
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if text := string(raw); err != nil || !strings.Contains(text, c.Dir) || !strings.Contains(text, "\x00kube-apiserver\x00") {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(f)))
		if err != nil {
			tb.Fatal(err)
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			tb.Fatal(err)
		}
		return
	}
	tb.Fatal("there is no API server to kill")
}

// RestartServer kills the API server and waits until the next one is ready.
func (c *Cluster) RestartServer(tb testing.TB) {
	tb.Helper()
	c.KillServer(tb)
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		if _, err := c.Kube.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(context.Background()); err == nil {
			return
		}
		time.Sleep(50 * time.Millisecond) // between two looks at a condition
	}
	tb.Fatal("the API server is not back within a minute")
}

// Kubectl runs kubectl against the control plane and returns what it prints.
func (c *Cluster) Kubectl(tb testing.TB, args ...string) string {
	tb.Helper()
	binary, err := Binary("controlplane")
	if err != nil {
		tb.Fatal(err)
	}
	out, err := exec.Command(binary, append([]string{"kubectl", "--kubeconfig", c.Kubeconfig}, args...)...).CombinedOutput()
	if err != nil {
		tb.Fatalf("kubectl %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// Root is the project's folder, found from a test's working directory.
func Root() (string, error) {
	dir, err := os.Getwd()
	for err == nil {
		if _, missing := os.Stat(filepath.Join(dir, "Makefile")); missing == nil {
			return dir, nil
		}
		if parent := filepath.Dir(dir); parent != dir {
			dir = parent
			continue
		}
		err = errors.New("the project's folder is not above the working directory")
	}
	return "", err
}

// Binary returns the path of a binary that make builds.
func Binary(name string) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	path := filepath.Join(root, "bin", name)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("%w: build it with make test, or make tools controlplane build", err)
	}
	return path, nil
}
