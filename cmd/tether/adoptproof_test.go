package main

import (
	"strings"
	"testing"

	"github.com/xetys/tether/agent/assess"
	"github.com/xetys/tether/apply/plan"
)

// The first commit of an adopted environment may say whose objects are, and nothing else.
func TestWhatTheFirstCommitMayChange(t *testing.T) {
	of := func(action string, objects ...assess.ObjectDifference) *assess.Difference {
		return &assess.Difference{Releases: []assess.ReleaseDifference{{Name: "web", Action: action, Objects: objects}}}
	}
	field := func(path, from, to, manager string) assess.ObjectDifference {
		return assess.ObjectDifference{Object: "Deployment.apps x/web", Action: "update", Fields: []assess.FieldDifference{{Path: path, From: from, To: to, Manager: manager}}}
	}
	hooked := of("upgrade")
	hooked.Releases[0].Risks = []plan.Risk{{Kind: plan.RiskHook, Object: "Job.batch x/migrate", Text: "runs as pre-upgrade hook"}}
	foreign := field("spec.paused", "true", "true", "kubectl-patch")
	foreign.Action, foreign.Fields[0].Foreign = "unchanged", true
	for sentence, c := range map[string]struct {
		d    *assess.Difference
		says string // of what it finds; empty if nothing changes
	}{
		"the environment's label":          {of("upgrade", field(`metadata.labels["tether.stytex.cloud/environment"]`, "(absent)", `"prod"`, "")), ""},
		"all labels where there were none": {of("install", field("metadata.labels", "(absent)", `{"app.kubernetes.io/managed-by":"Helm","tether.stytex.cloud/environment":"prod"}`, "")), ""},
		"the former tool's own":            {of("upgrade", field(`metadata.annotations["argocd.argoproj.io/tracking-id"]`, `"x"`, "(absent)", "argocd-controller")), ""},
		"the label that Argo CD goes by":   {of("upgrade", field(`metadata.labels["app.kubernetes.io/instance"]`, `"x"`, "(absent)", "argocd-controller")), ""},
		"who owns the fields":              {of("upgrade", assess.ObjectDifference{Object: "Service x/web", Action: "update"}), ""},
		"what people set and stays":        {of("upgrade", foreign), ""},
		"a label of the chart's":           {of("upgrade", field("metadata.labels.team", "(absent)", `"blue"`, "")), "metadata.labels.team"},
		"a label that a chart takes away":  {of("upgrade", field(`metadata.labels["app.kubernetes.io/instance"]`, `"x"`, "(absent)", "helm")), "instance"},
		"labels with one of the chart's":   {of("upgrade", field("metadata.labels", "(absent)", `{"tether.stytex.cloud/environment":"prod","team":"blue"}`, "")), "metadata.labels:"},
		"a mark on pods restarts them":     {of("upgrade", field(`spec.template.metadata.labels["tether.stytex.cloud/environment"]`, "(absent)", `"prod"`, "")), "spec.template"},
		"a key that only ends like a mark": {of("upgrade", field(`metadata.labels["x.tether.stytex.cloud/environment"]`, "(absent)", `"prod"`, "")), "x.tether"},
		"an image":                         {of("upgrade", field("spec.template.spec.containers[name=web].image", `"a:1"`, `"a:2"`, "helm")), `"a:1" -> "a:2"`},
		"an object that is made":           {of("upgrade", assess.ObjectDifference{Object: "ConfigMap x/new", Action: "create"}), "ConfigMap x/new: create"},
		"an object that goes":              {of("upgrade", assess.ObjectDifference{Object: "ConfigMap x/old", Action: "delete"}), "ConfigMap x/old: delete"},
		"a hook that runs":                 {hooked, "runs as pre-upgrade hook"},
		"a release that is uninstalled":    {of("uninstall"), "uninstall"},
		"a release that is held":           {of("hold"), "hold"},
		"what would be refused":            {&assess.Difference{Refusals: []string{"no such chart"}}, "no such chart"},
		"values that could not be read":    {&assess.Difference{Unread: []string{"x is encrypted"}}, "can't be told: x is encrypted"},
	} {
		p := proofOf(c.d)
		if p.Unchanged != (c.says == "") || !strings.Contains(strings.Join(p.Changes, "\n"), c.says) {
			t.Errorf("%s: %v, %q; want %q", sentence, p.Unchanged, p.Changes, c.says)
		}
	}
}
