package charts_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

// server is a PostgreSQL of this machine's, with the tenant's database.
type server struct {
	t    *testing.T
	dir  string
	env  []string
	user *syscall.Credential // PostgreSQL refuses to be run by root
}

func newServer(t *testing.T) *server {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		t.Skip("there is no PostgreSQL server on this machine (Debian: apt-get install postgresql): dumps are not restored here")
	}
	bin := filepath.Dir(found[len(found)-1])
	s := &server{t: t}
	if s.dir, err = os.MkdirTemp("", "tether-postgresql-"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(s.dir) }) // it is a temporary folder
	for _, name := range []string{"backup", "socket"} {
		if err := os.Mkdir(filepath.Join(s.dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if os.Getuid() == 0 {
		s.user = &syscall.Credential{Uid: 65534, Gid: 65534}
		for _, name := range []string{"", "backup", "socket"} {
			if err := os.Chown(filepath.Join(s.dir, name), 65534, 65534); err != nil {
				t.Fatal(err)
			}
		}
	}
	port := freePort(t)
	s.env = []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "HOME=" + s.dir, "PGHOST=127.0.0.1", "PGPORT=" + port, "PGUSER=xuangong", "PGDATABASE=xuangong_production",
		"BACKUP_DIR=" + filepath.Join(s.dir, "backup"), "RETENTION_DAYS=14"}
	s.must("initdb --pgdata=data --auth=trust --username=postgres --no-sync")
	s.must("pg_ctl --pgdata=data --wait --log=log --options='-p " + port + " -k " + s.dir + "/socket -c listen_addresses=127.0.0.1' start")
	t.Cleanup(func() { s.must("pg_ctl --pgdata=data --mode=immediate stop") })
	s.must(`psql -q -U postgres -d postgres -c "CREATE ROLE xuangong LOGIN" -c "CREATE DATABASE xuangong_production OWNER xuangong"`)
	return s
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func (s *server) command(script string, env ...string) *exec.Cmd {
	cmd := exec.Command("/bin/sh", "-c", script)
	cmd.Dir, cmd.Env = s.dir, slices.Concat(s.env, env)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.user}
	return cmd
}

// run runs a script as a client of the server.
func (s *server) run(script string, env ...string) (string, error) {
	cmd := s.command(script, env...)
	out, err := os.CreateTemp("", "out") // a pipe would be held open by the server that a script starts
	if err != nil {
		return "", err
	}
	defer os.Remove(out.Name())
	cmd.Stdout, cmd.Stderr = out, out
	failed := cmd.Run()
	text, err := os.ReadFile(out.Name())
	if failed != nil {
		err = failed
	}
	return strings.TrimSpace(string(text)), err
}

func (s *server) must(script string, env ...string) string {
	s.t.Helper()
	out, err := s.run(script, env...)
	if err != nil {
		s.t.Fatalf("%.80s: %v\n%s", script, err, out)
	}
	return out
}

func (s *server) ask(query string) string { return s.must(fmt.Sprintf("psql -tAX -c %q", query)) }

// script returns what a container of the restored backend's objects runs.
func script(t *testing.T, container string) string {
	t.Helper()
	for _, o := range newWorkspace(t).render(t, installations["restored-xuangong-backend"]) {
		pod := podOf(t, o)
		if pod == nil {
			continue
		}
		for _, c := range append(pod.InitContainers, pod.Containers...) {
			if c.Name == container {
				return append(c.Command, c.Args...)[2]
			}
		}
	}
	t.Fatalf("no container %s is rendered", container)
	return ""
}

// until waits until something is so.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, 20*time.Second, true, func(context.Context) (bool, error) { return is(), nil })
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// A dump comes back as a whole, once, when nobody is connected; or nothing changes.
func TestADumpIsRestored(t *testing.T) {
	s := newServer(t)
	backup, restore, gate := script(t, "backup"), script(t, "restore"), script(t, "wait-for-restore")
	s.ask("CREATE TABLE users AS SELECT generate_series(1, 1000) AS id; CREATE TABLE schema_migrations AS SELECT 7 AS version")
	s.must(backup)
	s.ask("DELETE FROM users; CREATE TABLE later (x int); UPDATE schema_migrations SET version = 8")

	held := s.command(`psql -qX -c "SELECT pg_sleep(600)"`)
	if err := held.Start(); err != nil {
		t.Fatal(err)
	}
	until(t, "a client is connected", func() bool {
		return s.ask("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid()") == "1"
	})
	waiting := s.command(gate+"\necho the backend starts", "PGAPPNAME=wait-for-restore")
	waiting.Args = append(waiting.Args, "restored latest drill 1")
	if err := waiting.Start(); err != nil {
		t.Fatal(err)
	}
	told, err := os.Create(filepath.Join(t.TempDir(), "restore"))
	if err != nil {
		t.Fatal(err)
	}
	restoring := s.command(restore, "FROM=latest", "MARK=restored latest drill 1")
	restoring.Stdout, restoring.Stderr = told, told
	if err := restoring.Start(); err != nil {
		t.Fatal(err)
	}
	until(t, "it waits for who is connected", func() bool {
		raw, err := os.ReadFile(told.Name())
		return err == nil && strings.Contains(string(raw), "waiting until nobody is connected")
	})
	s.must(`psql -qX -U postgres -c "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid()"`)
	_ = held.Wait() // its connection was ended
	if err := restoring.Wait(); err != nil {
		t.Fatal(err)
	}
	if err := waiting.Wait(); err != nil {
		t.Error(err)
	}
	state := func() string {
		return s.ask("SELECT count(*), (SELECT version FROM schema_migrations), to_regclass('later') FROM users")
	}
	if have := state(); have != "1000|7|" {
		t.Errorf("restored: %s", have)
	}

	s.ask("INSERT INTO users VALUES (1001)")
	s.must(restore, "FROM=latest", "MARK=restored latest drill 1") // its pod is run again
	if have := state(); have != "1001|7|" {
		t.Errorf("it was restored twice: %s", have)
	}
	s.must("head -c 1500 backup/xuangong_production-2*.dump > backup/xuangong_production-9.dump")
	for _, from := range []string{"latest", "none.dump"} {
		if out, err := s.run(restore, "FROM="+from, "MARK=restored another"); err == nil {
			t.Errorf("%s was restored: %s", from, out)
		}
	}
	if have := state(); have != "1001|7|" {
		t.Errorf("a dump that is damaged changed something: %s", have)
	}
}
