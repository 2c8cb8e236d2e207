package plan

import (
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/xetys/tether/apply/ownership"
	"github.com/xetys/tether/render/manifest"
)

// neverPruned are the kinds whose deletion loses what no apply brings back.
var neverPruned = map[schema.GroupKind]string{
	{Kind: "Namespace"}:             "namespaces are never pruned",
	{Kind: "PersistentVolume"}:      "persistent volumes are never pruned",
	{Kind: "PersistentVolumeClaim"}: "persistent volume claims are never pruned",
	{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}: "custom resource definitions are never pruned",
}

// Pruned is the change for a live object that a release no longer has.
func Pruned(rel Owner, id manifest.ID, live *unstructured.Unstructured, provisions Provisions) Change {
	c := pruneChange(id, live, rel.Owns(live))
	if why := rel.OutsideRealm(manifest.Object{Unstructured: live}); why != "" && c.Action == Delete {
		c.Action, c.Why = Keep, why
	}
	if to := provisions.Moves.takenFrom(rel, id); to != "" && c.Action == Delete {
		c.Action, c.Why = Keep, "it moves to release "+to
	}
	if since, ok := rel.Since[id]; ok && live.GetCreationTimestamp().Time.Before(since) && c.Action == Delete {
		c.Action, c.Why = Keep, "it was there before the rollout that failed"
	}
	return c
}

func pruneChange(id manifest.ID, live *unstructured.Unstructured, ours bool) Change {
	c := Change{ID: id, Action: Delete, Stage: StageOf(id.GroupKind()), Live: live}
	switch {
	case !ours:
		c.Action, c.Why = Keep, "it is not the release's any more"
	case strings.ToLower(strings.TrimSpace(live.GetAnnotations()[ownership.AnnotKeep])) == "keep": // as Helm reads it
		c.Action, c.Why = Keep, ownership.AnnotKeep+": keep"
	case neverPruned[id.GroupKind()] != "":
		c.Action, c.Why = Keep, neverPruned[id.GroupKind()]
	}
	return c
}
