package judge

import (
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/xetys/tether/apply/health"
	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/render/manifest"
)

// Finished judges a hook as the live cache has it: a Pod has to succeed, and a Job to
// complete.
func (j *Judge) Finished(id manifest.ID) Health {
	object, _ := j.live.Get(id)
	return finished(j.object(id, object), object)
}

// OrFinished returns a function that judges as judge does, except for an object that is gone:
// if it had finished when it was deleted, it is judged by its last state. The cluster may
// delete a Job as soon as it has finished, before its end was seen. The returned function is
// not safe for concurrent use.
func (j *Judge) OrFinished(judge func(manifest.ID) Health) func(manifest.ID) Health {
	return j.orFinished(judge, j.live.LastOf)
}

func (j *Judge) orFinished(judge func(manifest.ID) Health, last func(manifest.ID) *unstructured.Unstructured) func(manifest.ID) Health {
	known := map[manifest.ID]Health{} // the live cache forgets before the slowest rollouts are over
	return func(id manifest.ID) Health {
		h := judge(id)
		if h.State != health.Missing {
			delete(known, id)
			return h
		}
		was := last(id)
		if h := finished(j.object(id, was), was); h.State == health.Healthy || h.State == health.Unhealthy && !h.Mends {
			known[id] = h
		}
		if h, ok := known[id]; ok {
			return h
		}
		return h
	}
}

// finished turns the health of a hook into that of one that has to finish.
func finished(h Health, object *unstructured.Unstructured) Health {
	switch {
	case h.State != health.Healthy:
	case h.GroupKind() == plan.PodKind:
		if phase, _, _ := unstructured.NestedString(object.Object, "status", "phase"); phase != "Succeeded" {
			h.State, h.Reason = health.Progressing, "the Pod has not ended"
		}
	case h.GroupKind() == plan.JobKind && suspended(object) && !completed(object):
		h.State, h.Reason = health.Progressing, "the Job is suspended, and has not run: it does when somebody, or a queue, resumes it"
	}
	return h
}

func suspended(job *unstructured.Unstructured) bool {
	yes, _, _ := unstructured.NestedBool(job.Object, "spec", "suspend")
	return yes
}

// completed reports whether a Job says of itself that it has.
func completed(job *unstructured.Unstructured) bool {
	conditions, _, _ := unstructured.NestedSlice(job.Object, "status", "conditions")
	return slices.ContainsFunc(conditions, func(c any) bool {
		m, _ := c.(map[string]any)
		kind := m["type"]
		return m["status"] == "True" && (kind == "Complete" || kind == "SuccessCriteriaMet")
	})
}
