package sample

import (
	"time"

	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/why"
	"github.com/xetys/tether/apply/kube"
	"github.com/xetys/tether/render"
	"github.com/xetys/tether/render/blame"
)

// appDeployment is the object of which the sample has a page.
const appDeployment = "Deployment.apps xuangong-prod/xuangong-app"

// object has the sample tell of one object.
func (r *Reader) object() {
	page := why.NewPage("production", appDeployment)
	page.Release, page.Chart = "xuangong-app", "charts/xuangong-app"
	page.Template = &render.Place{Kind: "chart", File: "charts/xuangong-app/templates/deployment.yaml"}
	replicas := render.Place{Kind: "values", File: "environments/production/app.yaml", Line: 4, Key: "replicas"}
	tag := render.Place{Kind: "values", File: "environments/production/app.yaml", Line: 12, Key: "image.tag"}
	template := func(line int) *render.Place {
		return &render.Place{Kind: "chart", File: page.Template.File, Line: line}
	}
	page.Values = []render.Place{replicas, tag}
	live := beta.Time
	commits := []why.Commit{{CommitInfo: infoOf(beta), Verdict: ledger.Applied, Live: &live}, {CommitInfo: infoOf(first), Verdict: ledger.Applied}}
	page.Last, page.Changed, page.Undo = &commits[0], []string{"spec.template.spec.containers[name=app].image"}, "git revert "+beta.Commit
	page.Health = &why.Health{State: "healthy", Rule: "Deployment", Field: "status.conditions"}
	page.Drift = []blame.LiveField{{Object: appDeployment, Path: "spec.replicas", Want: "3", Have: "5", How: blame.Drifted, Manager: "kubectl-scale", Since: ago(21 * time.Minute)}}
	page.NeededBy = []string{"HorizontalPodAutoscaler.autoscaling xuangong-prod/xuangong-app"}
	page.Events = []kube.Event{{At: ago(21 * time.Minute), Kind: "Normal", Reason: "ScalingReplicaSet", Text: "Scaled up replica set xuangong-app-5f6d from 3 to 5"}}
	field := func(commit ledger.Commit, value string, set []render.Place, line int, steps ...any) blame.Field {
		return blame.Field{Steps: steps, Value: value, Commit: commit.Commit, Set: set, Template: template(line)}
	}
	o := &why.Rendered{Commits: commits, Object: blame.Object{Object: appDeployment, Template: *page.Template, Fields: []blame.Field{
		field(first, `"apps/v1"`, nil, 1, "apiVersion"),
		field(first, `"Deployment"`, nil, 2, "kind"),
		field(first, `"xuangong-app"`, nil, 4, "metadata", "name"),
		field(first, `3`, []render.Place{replicas}, 8, "spec", "replicas"),
		field(first, `"app"`, nil, 16, "spec", "template", "spec", "containers", 0, "name"),
		field(beta, `"registry.example.com/xuangong/app:v2026.11.1"`, []render.Place{tag, {Kind: "default", Of: "xuangong-app-1.4.0", Key: "image.repository"}}, 17, "spec", "template", "spec", "containers", 0, "image"),
		field(first, `***`, []render.Place{{Kind: "values", File: "environments/production/secrets.yaml", Line: 3, Key: "sentry.dsn", Secret: true}}, 20, "spec", "template", "spec", "containers", 0, "env", 0, "value"),
	}}}
	r.Pages, r.Rendered = map[string]*why.Page{appDeployment: page}, map[string]*why.Rendered{appDeployment: o}
}

func infoOf(c ledger.Commit) blame.CommitInfo {
	return blame.CommitInfo{Commit: c.Commit, Subject: c.Subject, Author: c.Author, Time: c.Time}
}

// hostileObject has text in each place of the object's page that comes from outside.
func (r *Reader) hostileObject(text string) {
	page, o := r.Pages[appDeployment], r.Rendered[appDeployment]
	at := render.Place{Kind: "values", File: text, Line: 1, Key: text, Of: text}
	page.Chart, page.Template, page.Values, page.NeededBy, page.Undo, page.Notes, page.Changed = text, &at, []render.Place{at}, []string{text}, text, []string{text}, []string{text}
	page.Last.Subject, page.Last.Author = text, text
	page.Health.Reason, page.Health.Rule, page.Health.Field, page.Health.State = text, text, text, text
	page.Drift[0].Path, page.Drift[0].Want, page.Drift[0].Have, page.Drift[0].Manager = text, text, text, text
	page.Events[0].Kind, page.Events[0].Reason, page.Events[0].Text = text, text, text
	for i := range o.Fields {
		f := &o.Fields[i]
		f.Value, f.Set, f.Template = text, []render.Place{at}, &at
	}
	for i := range o.Commits {
		o.Commits[i].Subject, o.Commits[i].Author = text, text
	}
}
