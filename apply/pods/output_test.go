package pods

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/xetys/tether/apply/kube"
)

// server answers requests for logs and Secrets, and counts them by their path's last part.
type server struct {
	log    string
	secret *corev1.Secret
	denies string // the last part of the paths that it refuses
	gone   string // and of those that it does not find
	asked  map[string]int
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	s.asked[name]++
	answer := any(s.secret)
	switch {
	case name == s.denies:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusForbidden)
		answer = metav1.Status{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Reason: metav1.StatusReasonForbidden, Code: http.StatusForbidden, Message: "no"}
	case name == s.gone:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusNotFound)
		answer = metav1.Status{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Reason: metav1.StatusReasonNotFound, Code: http.StatusNotFound, Message: "no"}
	case name == "log":
		_, _ = w.Write([]byte(s.log))
		return
	default:
		w.Header().Set("Content-Type", "application/json")
	}
	_ = json.NewEncoder(w).Encode(answer) // the client looks at what came
}

func watcher(t *testing.T, s *server) *Watcher {
	s.asked = map[string]int{}
	listener := httptest.NewServer(s)
	t.Cleanup(listener.Close)
	client, err := kube.NewClient(&rest.Config{Host: listener.URL}, kube.Account{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return NewWatcher(client)
}

// crashedAt is when the container was started that crashed.
var crashedAt = time.Date(2026, 11, 28, 3, 0, 0, 0, time.UTC)

func crashed(volumes ...corev1.Volume) *Reason {
	p := pod("web-1", "CrashLoopBackOff")
	p.Namespace, p.Spec.Volumes = "shop", volumes
	p.Status.ContainerStatuses[0].LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: 1, StartedAt: metav1.NewTime(crashedAt)}
	return &reasonsOf(p)[0]
}

var dbSecret = corev1.Volume{Name: "db", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "db"}}}

// A permission that lacks is told once, and costs one request.
func TestLogsThatMayNotBeReadAreAskedForOnce(t *testing.T) {
	s := &server{denies: "log"}
	w := watcher(t, s)
	if out := w.Output(t.Context(), crashed()); out == nil || !errors.Is(out.Err, ErrLogsDenied) || out.Text != "" {
		t.Errorf("the first time: %+v", out)
	}
	if out := w.Output(t.Context(), crashed()); out != nil {
		t.Errorf("the second time: %+v", out)
	}
	if s.asked["log"] != 1 {
		t.Errorf("it was asked for %d times", s.asked["log"])
	}
}

// Whoever wants no log read has none asked for, and no Secret for its sake.
func TestNoLogIsAskedForWhenThatIsOff(t *testing.T) {
	s := &server{log: "panic: no route to db\n", secret: &corev1.Secret{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}}}
	w := watcher(t, s)
	w.ReadLogs(false)
	if out := w.Output(t.Context(), crashed(dbSecret)); out != nil || len(s.asked) > 0 {
		t.Errorf("off: %+v, after requests %v", out, s.asked)
	}
	w.ReadLogs(true)
	if out := w.Output(t.Context(), crashed(dbSecret)); out == nil || out.Err != nil || s.asked["log"] != 1 {
		t.Errorf("on again: %+v, after requests %v", out, s.asked)
	}
}

// A pod may print the Secrets that it was given: they are taken out, and where one can't be
// read nothing is shown.
func TestALogIsShownWithoutThePodsSecrets(t *testing.T) {
	secret := &corev1.Secret{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}, Data: map[string][]byte{"password": []byte("correct-horse-battery")}}
	w := watcher(t, &server{log: "password=correct-horse-battery\n", secret: secret})
	if out := w.Output(t.Context(), crashed(dbSecret)); out == nil || out.Err != nil || out.Text != "password=(masked)\n" {
		t.Errorf("with a Secret: %+v", out)
	}
	s := &server{log: "password=correct-horse-battery\n", denies: "db"}
	if out := watcher(t, s).Output(t.Context(), crashed(dbSecret)); out == nil || out.Err == nil || out.Text != "" || s.asked["log"] != 0 {
		t.Errorf("with a Secret that can't be read: %+v, and the log was asked for %d times", out, s.asked["log"])
	}
	s = &server{log: "password=correct-horse-battery\n", gone: "db"}
	if out := watcher(t, s).Output(t.Context(), crashed(dbSecret)); out == nil || out.Err == nil || out.Text != "" || s.asked["log"] != 0 {
		t.Errorf("with a Secret that was deleted since: %+v, and the log was asked for %d times", out, s.asked["log"])
	}
	for when, shown := range map[time.Time]bool{crashedAt.Add(-time.Second): true, crashedAt: true, crashedAt.Add(time.Second): false} {
		at := metav1.NewTime(when)
		secret.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "kubectl", Time: &at}}
		out := watcher(t, &server{log: "password=correct-horse-battery\n", secret: secret}).Output(t.Context(), crashed(dbSecret))
		if out == nil || (out.Err == nil) != shown || (out.Text != "") != shown {
			t.Errorf("with a Secret that was changed at %s, of a container of %s: %+v", when, crashedAt, out)
		}
	}
	optional, yes := *dbSecret.Secret, true
	optional.Optional = &yes
	if out := watcher(t, s).Output(t.Context(), crashed(corev1.Volume{VolumeSource: corev1.VolumeSource{Secret: &optional}})); out == nil || out.Err != nil || out.Text != s.log {
		t.Errorf("with one that need not be there: %+v", out)
	}
	many := make([]corev1.Volume, 0, maxSecrets+1)
	for i := range maxSecrets + 1 {
		v := dbSecret
		v.Secret = &corev1.SecretVolumeSource{SecretName: "s" + string(rune('a'+i))}
		many = append(many, v)
	}
	if out := w.Output(t.Context(), crashed(many...)); out == nil || out.Err == nil || out.Text != "" {
		t.Errorf("with too many Secrets: %+v", out)
	}
}

// What is read of a log is bounded, and a line that is not whole is left out.
func TestALogIsBounded(t *testing.T) {
	w := watcher(t, &server{log: "whole\n" + strings.Repeat("x", 10*maxBytes)})
	if out := w.Output(t.Context(), crashed()); out == nil || out.Text != "whole\n" {
		t.Errorf("%+v", out)
	}
}

// A container that never ran has written nothing, and nobody is asked.
func TestAContainerThatNeverRanHasNoLog(t *testing.T) {
	s := &server{}
	w := watcher(t, s)
	p := pod("web-1", "ImagePullBackOff")
	if out := w.Output(t.Context(), &reasonsOf(p)[0]); out != nil || len(s.asked) > 0 {
		t.Errorf("%+v, after requests %v", out, s.asked)
	}
}
