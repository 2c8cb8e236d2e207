package charts_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/wait"
)

// archivedPod is the database's pod with its log archived into a folder, to be restored
// from there up to a moment, if one is given.
func archivedPod(t *testing.T, dir, target string) *corev1.PodSpec {
	t.Helper()
	i := database.and("walArchive.enabled=true,walArchive.restore.enabled=true,walArchive.restore.targetTime=" + target + ",walArchive.keepBaseBackups=1,walArchive.mountPath=" + dir)
	for _, o := range newWorkspace(t).render(t, i) {
		if pod := podOf(t, o); pod != nil && o.GetKind() == "StatefulSet" {
			return pod
		}
	}
	t.Fatal("no StatefulSet is rendered")
	return nil
}

// containerOf returns what a container of a pod runs.
func containerOf(t *testing.T, pod *corev1.PodSpec, name string) []string {
	t.Helper()
	for _, c := range append(pod.InitContainers, pod.Containers...) {
		if c.Name == name {
			return append(c.Command, c.Args...)
		}
	}
	t.Fatalf("no container %s is rendered", name)
	return nil
}

// launch starts a server on a folder with what the pod gives it, beside the first one.
func (s *server) launch(data, port string, args []string) {
	s.t.Helper()
	quoted := ""
	for _, a := range args {
		quoted += " '" + a + "'"
	}
	file := filepath.Join(s.dir, data+".start")
	text := fmt.Sprintf("exec postgres -D %s/%s -p %s -k %s/socket -c listen_addresses=127.0.0.1 -c fsync=off%s", s.dir, data, port, s.dir, quoted)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(s.t.TempDir(), "log"))
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := s.command("exec sh " + file)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
		if s.t.Failed() {
			text, _ := os.ReadFile(log.Name())
			s.t.Logf("%s: %s", data, text)
		}
	})
	err = wait.PollUntilContextTimeout(s.t.Context(), 100*time.Millisecond, 2*time.Minute, true, func(context.Context) (bool, error) {
		out, err := s.run("psql -tAXU postgres -d postgres -p " + port + " -c 'SELECT pg_is_in_recovery()'")
		return err == nil && out == "f", nil
	})
	if err != nil {
		s.t.Fatalf("the server of %s takes no writes: %v", data, err)
	}
}

// The log is archived as the pod says, a base backup is taken through its socket, and a new
// and empty volume comes back from both: to the end, or to a moment before a mistake.
func TestADatabaseComesBackFromItsLog(t *testing.T) {
	s := newServer(t)
	wal := filepath.Join(s.dir, "wal")
	s.must("mkdir wal")
	pod := archivedPod(t, wal, "")
	args := containerOf(t, pod, "postgresql")
	s.must("initdb --pgdata=first --auth=trust --username=postgres --no-sync")
	first := freePort(t)
	s.launch("first", first, args)
	psql := func(port, query string) string {
		return s.must(fmt.Sprintf("psql -tAXU postgres -d postgres -p %s -c %q", port, query))
	}
	base := containerOf(t, pod, "base-backup")[2]
	backup := func() string {
		return s.must(base, "ONCE=1", "HOURS=1", "KEEP=1", "WAL_DIR="+wal, "PGHOST="+s.dir+"/socket", "PGPORT="+first, "PGUSER=postgres")
	}
	psql(first, "CREATE TABLE users AS SELECT generate_series(1, 1000) AS id")
	if out := backup(); !strings.Contains(out, "base backup 2") {
		t.Fatal(out)
	}
	if out := backup(); strings.Contains(out, "base backup 2") {
		t.Errorf("one is made though the last is fresh: %s", out)
	}
	psql(first, "INSERT INTO users VALUES (1001)")
	before := psql(first, "SELECT pg_switch_wal(); SELECT pg_sleep(1.1); SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYYMMDD\"T\"HH24MISS\"Z\"')")
	before = before[strings.LastIndex(before, "\n")+1:]
	psql(first, "SELECT pg_sleep(1.1)")
	psql(first, "DELETE FROM users")
	last := psql(first, "SELECT pg_walfile_name(pg_switch_wal())")
	until(t, "the last segment is archived", func() bool {
		_, err := os.Stat(filepath.Join(wal, "log", last))
		return err == nil
	})

	restore := func(data, target string) string {
		script := containerOf(t, archivedPod(t, wal, target), "wal-restore")[2]
		out := s.must("mkdir -p volume; "+script, "PGDATA="+s.dir+"/"+data, "WAL_DIR="+wal, "TARGET="+target)
		if again := s.must(script, "PGDATA="+s.dir+"/"+data, "WAL_DIR="+wal, "TARGET="+target); !strings.Contains(again, "nothing is restored") {
			t.Errorf("it is restored twice: %s", again)
		}
		return out
	}
	for data, c := range map[string]struct{ target, want string }{"atend": {"", "0"}, "before": {before, "1001"}} {
		if out := restore(data, c.target); !strings.Contains(out, "restored "+wal+"/base/2") {
			t.Errorf("%s: %s", data, out)
		}
		port := freePort(t)
		s.launch(data, port, nil)
		if have := psql(port, "SELECT count(*) FROM users"); have != c.want {
			t.Errorf("%s holds %s users, not %s", data, have, c.want)
		}
	}
	script := containerOf(t, archivedPod(t, wal, "20000101T000000Z"), "wal-restore")[2]
	if out, err := s.run(script, "PGDATA="+s.dir+"/none", "WAL_DIR="+wal, "TARGET=20000101T000000Z"); err == nil || !strings.Contains(out, "there is no base backup before 20000101T000000Z") {
		t.Errorf("%v: %s", err, out)
	}
	if _, err := os.Stat(filepath.Join(s.dir, "none")); err == nil {
		t.Error("something is written all the same")
	}
}
