package pods

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xetys/tether/render/mask"
)

// Bounds of reading a container's log, and the Secrets that its pod was given.
const (
	maxLines   = 10
	maxBytes   = 48 << 10 // less than a mask looks at
	maxSecrets = 20

	// outputTimeout bounds all of it: a rollout that failed waits for it before it goes back.
	outputTimeout = 5 * time.Second
)

// ErrLogsDenied says that the agent lacks the permission to read logs.
var ErrLogsDenied = errors.New("the agent may not get pods/log")

// Output is the end of a container's log.
type Output struct {
	Pod, Container string
	// Text has lines as the container wrote them, without what the pod was given by Secrets.
	// It may hold other secrets: those of the release are for the caller to mask.
	Text string
	// Given are the values that the pod's spec hands to the container in the open.
	Given []string
	// Err is why there is no text.
	Err error
}

// Output reads the end of the log of the container that a reason is about: of the previous
// container, if it crashed and waits to be started again. It returns nil if the container has
// written nothing or never ran, if logs are not to be read, or if the permission is known to be
// missing, which is found out once in a namespace.
func (w *Watcher) Output(ctx context.Context, r *Reason) *Output {
	started, previous, ran := r.ran()
	if !ran || w.denied(r.Pod.Namespace) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, outputTimeout)
	defer cancel()
	out := &Output{Pod: r.Pod.Name, Container: r.container, Given: given(r.Pod)}
	secrets, err := w.secretsOf(ctx, r.Pod, started)
	if err != nil {
		out.Err = err
		return out
	}
	text, err := w.tail(ctx, r.Pod, r.container, previous)
	if apierrors.IsForbidden(err) {
		w.deny(r.Pod.Namespace)
		err = fmt.Errorf("%w in namespace %s: %w", ErrLogsDenied, r.Pod.Namespace, err)
	}
	if err != nil {
		out.Err = err
		return out
	}
	m := mask.New(secrets, nil)
	if m.Partly() {
		out.Err = errors.New("the pod's Secrets hold more than can be told from a log")
		return out
	}
	out.Text = m.Text(text)
	return out
}

// ran reports whether the container that a reason is about has run, since when, and whether it
// is the one before that did.
func (r *Reason) ran() (started time.Time, previous, ran bool) {
	for _, s := range statusesOf(r.Pod) {
		if s.Name != r.container {
			continue
		}
		switch last := s.LastTerminationState.Terminated; {
		case s.State.Running != nil:
			return s.State.Running.StartedAt.Time, false, true
		case s.State.Terminated != nil:
			return s.State.Terminated.StartedAt.Time, false, true
		case s.State.Waiting != nil && last != nil:
			return last.StartedAt.Time, true, true
		}
	}
	return started, false, false
}

// colors are the escape sequences by which programs colour what they write.
var colors = regexp.MustCompile(`\x1b\[[0-9;]*[A-Za-z]`)

// tail reads the last lines of a container's log. A line that is not whole is left out: a
// secret that was cut could not be told.
func (w *Watcher) tail(ctx context.Context, p *corev1.Pod, container string, previous bool) (string, error) {
	lines, bytes := int64(maxLines), int64(maxBytes)
	stream, err := w.client.Typed.CoreV1().Pods(p.Namespace).GetLogs(p.Name, &corev1.PodLogOptions{
		Container: container, Previous: previous, TailLines: &lines, LimitBytes: &bytes}).Stream(ctx)
	if err != nil {
		return "", err
	}
	defer stream.Close()
	raw, err := io.ReadAll(io.LimitReader(stream, maxBytes))
	if err != nil {
		return "", err
	}
	text := string(raw)
	if len(text) == maxBytes {
		text = text[:strings.LastIndexByte(text, '\n')+1]
	}
	return colors.ReplaceAllString(text, ""), nil
}

// secretsOf returns the values that a container was given by Secrets of its pod when it was
// started. An optional one that is not there gave none; that another one is gone, was changed
// since, or can't be read is an error, since the container may print what it was given.
func (w *Watcher) secretsOf(ctx context.Context, p *corev1.Pod, started time.Time) ([]string, error) {
	needed := secretsGiven(p)
	if len(needed) > maxSecrets {
		return nil, fmt.Errorf("the pod was given %d Secrets, and %d at the most are looked at", len(needed), maxSecrets)
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(needed)) {
		s, err := w.client.Typed.CoreV1().Secrets(p.Namespace).Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) && !needed[name] {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read Secret %s, which the pod may print: %w", name, err)
		}
		if changed := lastChange(s); changed.After(started) {
			return nil, fmt.Errorf("secret %s was changed at %s, and the pod may print what it held before", name, changed.UTC().Format(time.RFC3339))
		}
		for _, value := range s.Data {
			out = append(out, string(value))
		}
	}
	return out, nil
}

// lastChange is when an object was last changed, as its field managers tell.
func lastChange(o metav1.Object) time.Time {
	last := o.GetCreationTimestamp().Time
	for _, m := range o.GetManagedFields() {
		if m.Time != nil && m.Time.After(last) {
			last = m.Time.Time
		}
	}
	return last
}

// secretsGiven returns the names of the Secrets that a pod was given, each with whether the pod
// could not have started without it.
func secretsGiven(p *corev1.Pod) map[string]bool {
	out := map[string]bool{}
	note := func(name string, optional *bool) { out[name] = out[name] || optional == nil || !*optional }
	for _, c := range containersOf(p) {
		for _, from := range c.EnvFrom {
			if from.SecretRef != nil {
				note(from.SecretRef.Name, from.SecretRef.Optional)
			}
		}
		for _, e := range c.Env {
			if e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil {
				note(e.ValueFrom.SecretKeyRef.Name, e.ValueFrom.SecretKeyRef.Optional)
			}
		}
	}
	for _, v := range p.Spec.Volumes {
		secretsOfVolume(v, note)
	}
	return out
}

// secretsOfVolume calls note with the Secrets that a volume holds.
func secretsOfVolume(v corev1.Volume, note func(name string, optional *bool)) {
	if v.Secret != nil {
		note(v.Secret.SecretName, v.Secret.Optional)
	}
	if v.Projected == nil {
		return
	}
	for _, s := range v.Projected.Sources {
		if s.Secret != nil {
			note(s.Secret.Name, s.Secret.Optional)
		}
	}
}

// holdsSecrets reports whether a volume holds any.
func holdsSecrets(v corev1.Volume) (yes bool) {
	secretsOfVolume(v, func(string, *bool) { yes = true })
	return yes
}

// given returns the values that a pod's spec hands to its containers in the open.
func given(p *corev1.Pod) []string {
	var out []string
	for _, c := range containersOf(p) {
		out = append(append(out, c.Command...), c.Args...)
		for _, e := range c.Env {
			if e.Value != "" {
				out = append(out, e.Value)
			}
		}
	}
	return out
}

func containersOf(p *corev1.Pod) []corev1.Container {
	return slices.Concat(p.Spec.InitContainers, p.Spec.Containers)
}

// ReadLogs sets whether Output reads logs, and the pods' Secrets in order to mask them; the
// default is true.
func (w *Watcher) ReadLogs(read bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.off = !read
}

// denied reports whether a namespace's logs are not to be read, or can't be.
func (w *Watcher) denied(namespace string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.off || w.noLogs[namespace]
}

func (w *Watcher) deny(namespace string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.noLogs[namespace] = true
}
