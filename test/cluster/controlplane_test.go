package cluster_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

const binary = "../../bin/controlplane" // from this folder

func start(t *testing.T, args ...string) (string, kubernetes.Interface) {
	t.Helper()
	dir := t.TempDir()
	began := time.Now()
	out, err := exec.Command(binary, append([]string{"up", "--dir", dir, "--detach"}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("up after %s", time.Since(began).Round(100*time.Millisecond))
	t.Cleanup(func() { stop(t, dir) })
	config, err := clientcmd.BuildConfigFromFlags("", filepath.Join(dir, "kubeconfig"))
	if err != nil {
		t.Fatal(err)
	}
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return dir, kube
}

func stop(t *testing.T, dir string) {
	t.Helper()
	if out, err := exec.Command(binary, "down", "--dir", dir).CombinedOutput(); err != nil {
		t.Errorf("down: %v\n%s", err, out)
	}
	if left := processesOf(t, dir); len(left) > 0 {
		t.Errorf("these processes are left: %v", left)
	}
}

// processesOf finds whatever runs with the folder in its command line.
func processesOf(t *testing.T, dir string) []string {
	t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, line := range lines {
		raw, err := os.ReadFile(line)
		if text := strings.ReplaceAll(string(raw), "\x00", " "); err == nil && strings.Contains(text, dir) {
			out = append(out, text)
		}
	}
	return out
}

func TestTwoRunSideBySideAndLeaveNothingBehind(t *testing.T) {
	a, kubeA := start(t)
	_, kubeB := start(t, "--nodes", "2")
	for kube, want := range map[kubernetes.Interface]int{kubeA: 5, kubeB: 2} {
		nodes, err := kube.CoreV1().Nodes().List(context.Background(), metav1.ListOptions{})
		if err != nil || len(nodes.Items) != want {
			t.Errorf("%d nodes, want %d: %v", len(nodes.Items), want, err)
		}
		if v, err := kube.Discovery().ServerVersion(); err != nil || v.GitVersion != "v1.37.2" {
			t.Errorf("version %v, %v", v, err)
		}
	}
	out, err := exec.Command(binary, "up", "--dir", a, "--detach").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "runs in "+a+" already") {
		t.Errorf("a second one in the same folder: %v\n%s", err, out)
	}
	stop(t, a)
	stop(t, a) // it does not run any more, and that is fine
	if nodes, err := kubeB.CoreV1().Nodes().List(context.Background(), metav1.ListOptions{}); err != nil || len(nodes.Items) != 2 {
		t.Errorf("the other one does not answer any more: %v", err)
	}
}

func TestImagesSayWhatBecomesOfTheirPods(t *testing.T) {
	_, kube := start(t)
	run := func(tag string) {
		_, err := kube.CoreV1().Pods("default").Create(context.Background(), &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: tag},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "example.com/x:" + tag}}},
		}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
	}
	for tag, want := range map[string]string{
		"v1":               "Running ready=true  restarts=0",
		"slow":             "Running ready=true  restarts=0",
		"imagepullbackoff": "Pending ready=false ImagePullBackOff restarts=0",
		"crashloop":        "Running ready=false CrashLoopBackOff restarts=1",
		"neverready":       "Running ready=false  restarts=0",
	} {
		run(tag)
		eventually(t, func() error {
			p, err := kube.CoreV1().Pods("default").Get(context.Background(), tag, metav1.GetOptions{})
			if err != nil || len(p.Status.ContainerStatuses) == 0 {
				return fmt.Errorf("pod %s has no status yet: %w", tag, err)
			}
			c, reason := p.Status.ContainerStatuses[0], ""
			if c.State.Waiting != nil {
				reason = c.State.Waiting.Reason
			}
			if have := fmt.Sprintf("%s ready=%v %s restarts=%d", p.Status.Phase, c.Ready, reason, c.RestartCount); have != want {
				return fmt.Errorf("pod %s is %q, want %q", tag, have, want)
			}
			return nil
		})
	}
}

func TestJobsEnd(t *testing.T) {
	_, kube := start(t)
	for tag, want := range map[string]batchv1.JobConditionType{"v1": batchv1.JobComplete, "jobfail": batchv1.JobFailed} {
		never := int32(0)
		_, err := kube.BatchV1().Jobs("default").Create(context.Background(), &batchv1.Job{
			ObjectMeta: metav1.ObjectMeta{Name: tag},
			Spec: batchv1.JobSpec{BackoffLimit: &never, Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
				RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{Name: "c", Image: "example.com/x:" + tag}}}}},
		}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, func() error {
			j, err := kube.BatchV1().Jobs("default").Get(context.Background(), tag, metav1.GetOptions{})
			if err != nil {
				return err
			}
			for _, c := range j.Status.Conditions {
				if c.Type == want && c.Status == corev1.ConditionTrue {
					return nil
				}
			}
			return fmt.Errorf("job %s is not %s: %v", tag, want, j.Status.Conditions)
		})
	}
}

func TestVolumesAreProvidedAndReclaimed(t *testing.T) {
	_, kube := start(t)
	ctx := context.Background()
	claims := kube.CoreV1().PersistentVolumeClaims("default")
	if _, err := claims.Create(ctx, &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: "data"},
		Spec: corev1.PersistentVolumeClaimSpec{AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}}},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	volume := corev1.Volume{Name: "d", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"}}}
	if _, err := kube.CoreV1().Pods("default").Create(ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "p"},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "example.com/x:1"}}, Volumes: []corev1.Volume{volume}},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		p, err := kube.CoreV1().Pods("default").Get(ctx, "p", metav1.GetOptions{})
		if err != nil || p.Status.Phase != corev1.PodRunning {
			return fmt.Errorf("the pod does not run: %w", err)
		}
		return nil
	})
	now := int64(0)
	if err := kube.CoreV1().Pods("default").Delete(ctx, "p", metav1.DeleteOptions{GracePeriodSeconds: &now}); err != nil {
		t.Fatal(err)
	}
	if err := claims.Delete(ctx, "data", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		left, err := kube.CoreV1().PersistentVolumes().List(ctx, metav1.ListOptions{})
		if err != nil || len(left.Items) > 0 {
			return fmt.Errorf("%d volumes are left: %w", len(left.Items), err)
		}
		return nil
	})
}

func eventually(t *testing.T, check func() error) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond) // between two looks at a condition
	}
}
