package pods

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/xetys/tether/apply/kube"
	"github.com/xetys/tether/source/printable"
)

// These bound how many events about an object are read, and how much of one is shown: whoever
// may write events may write thousands, of a MiB each.
const (
	maxWarnings = 30
	maxWarning  = 1024 // as kubelets and controllers bound it
)

// Warning returns the newest warning event about the first of some objects that has one; empty
// if there is none, or events can't be read. It is added to a reason that is known.
func (w *Watcher) Warning(ctx context.Context, namespace string, about []types.UID) string {
	ctx, cancel := context.WithTimeout(ctx, kube.RequestTimeout)
	defer cancel()
	for _, uid := range about {
		list, err := w.client.Typed.CoreV1().Events(namespace).List(ctx, metav1.ListOptions{Limit: maxWarnings,
			FieldSelector: fmt.Sprintf("involvedObject.uid=%s,type=%s", uid, corev1.EventTypeWarning)})
		if err != nil || len(list.Items) == 0 {
			continue
		}
		newest := slices.MaxFunc(list.Items, func(a, b corev1.Event) int { return kube.EventTime(a).Compare(kube.EventTime(b)) })
		return printable.Line(newest.Message, maxWarning)
	}
	return ""
}

// Delete deletes a pod if it has not changed since it was read; otherwise it returns a
// conflict. A pod that is gone is not an error.
func (w *Watcher) Delete(ctx context.Context, p *corev1.Pod) error {
	ctx, cancel := context.WithTimeout(ctx, kube.RequestTimeout)
	defer cancel()
	err := w.client.Typed.CoreV1().Pods(p.Namespace).Delete(ctx, p.Name, metav1.DeleteOptions{
		Preconditions: &metav1.Preconditions{UID: &p.UID, ResourceVersion: &p.ResourceVersion}})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
