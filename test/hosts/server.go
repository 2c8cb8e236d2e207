package hosts

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"time"

	"github.com/xetys/tether/test/cluster"
)

// server is a program that serves, or is stopped.
type server struct{ cmd *exec.Cmd }

// free is an address that nothing listens on.
func free() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// patience is how long a server may take to come up.
const patience = 30 * time.Second

// start starts a program of bin/, and waits until it listens.
func (s *server) start(host, log string, env []string, name string, args ...string) error {
	binary, err := cluster.Binary(name)
	if err != nil {
		return err
	}
	out, err := os.Create(log)
	if err != nil {
		return err
	}
	defer out.Close()
	s.cmd = exec.Command(binary, args...)
	s.cmd.Env = append(os.Environ(), env...)
	s.cmd.Stdout, s.cmd.Stderr = out, out
	if err := s.cmd.Start(); err != nil {
		return err
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) { // between two looks at a condition
		c, err := net.Dial("tcp", host)
		if err == nil {
			return c.Close()
		}
		if time.Now().After(deadline) {
			s.Stop()
			text, _ := os.ReadFile(log)
			return fmt.Errorf("%s did not come up: %w\n%s", name, err, text)
		}
	}
}

// Stop kills the server; one that is stopped stays so.
func (s *server) Stop() {
	if s.cmd != nil {
		_ = s.cmd.Process.Kill() // it may be gone
		_ = s.cmd.Wait()
		s.cmd = nil
	}
}
