package kube

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
)

// Event is a Kubernetes Event about an object; the cluster keeps it for an hour by default. The
// text is its author's, and may contain secrets.
type Event struct {
	At     time.Time `json:"at"`
	Kind   string    `json:"kind"` // Normal or Warning
	Reason string    `json:"reason"`
	Text   string    `json:"text"`
	Times  int       `json:"times,omitempty"`
	By     string    `json:"by,omitempty"`
}

// maxEvents bounds how many events are returned.
const maxEvents = 100

// Events returns the events about an object since a time, oldest first; if there are many, the
// newest.
func (c *Connection) Events(ctx context.Context, kind, namespace, name string, since time.Time) ([]Event, error) {
	ctx, cancel := context.WithTimeout(ctx, RequestTimeout)
	defer cancel()
	list, err := c.client.Typed.CoreV1().Events(namespace).List(ctx, metav1.ListOptions{
		FieldSelector: fields.Set{"involvedObject.kind": kind, "involvedObject.name": name}.String()})
	if err != nil {
		return nil, fmt.Errorf("read the events of %s %s: %w", kind, name, err)
	}
	out := []Event{}
	for _, e := range list.Items {
		if at := EventTime(e); !at.Before(since) {
			out = append(out, toldOf(e, at))
		}
	}
	slices.SortStableFunc(out, func(a, b Event) int { return a.At.Compare(b.At) })
	return out[max(0, len(out)-maxEvents):], nil
}

func toldOf(e corev1.Event, at time.Time) Event {
	out := Event{At: at.UTC(), Kind: e.Type, Reason: e.Reason, Text: e.Message, By: e.Source.Component}
	if out.By == "" {
		out.By = e.ReportingController
	}
	if e.Count > 1 {
		out.Times = int(e.Count)
	}
	return out
}

// EventTime is when an event happened last.
func EventTime(e corev1.Event) time.Time {
	for _, t := range []time.Time{e.LastTimestamp.Time, e.EventTime.Time} {
		if !t.IsZero() {
			return t
		}
	}
	return e.CreationTimestamp.Time
}
