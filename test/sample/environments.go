package sample

import (
	"fmt"
	"time"

	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/reads"
	"github.com/xetys/tether/agent/status"
)

func ago(d time.Duration) time.Time { return Now.Add(-d) }

var (
	bump   = ledger.Commit{Commit: "9f3c2ab41d7e0a5c6b8f1e2d3c4b5a6978879605", Subject: "Bump backend to v2026.11.2", Author: "Mei Tanaka", Time: ago(14 * time.Minute)}
	limits = ledger.Commit{Commit: "4b1d90ce2f5a7788b9c0d1e2f3a4b5c6d7e8f901", Subject: "Give PostgreSQL 2 GiB and a PodDisruptionBudget", Author: "Jonas Weber", Time: ago(3 * time.Hour)}
	beta   = ledger.Commit{Commit: "0d2e118a3b4c5d6e7f8091a2b3c4d5e6f7081920", Subject: "Bump app to v2026.11.1", Author: "Mei Tanaka", Time: ago(27 * time.Hour)}
	first  = ledger.Commit{Commit: "7a66e02b1c2d3e4f50617283940a1b2c3d4e5f60", Subject: "Route /api to the new backend", Author: "Sam Osei", Time: ago(52 * time.Hour)}
)

const broken = "xuangong-backend: Deployment.apps xuangong-prod/xuangong-backend: pod xuangong-backend-6b84f9c7d-x2x7q: ImagePullBackOff of registry.example.com/xuangong/backend:v2026.11.2: manifest unknown"

// Few are three environments in different states.
func Few() *Reader {
	r := &Reader{All: map[string]*status.Status{}, Stories: map[string][]reads.HistoryItem{}, Metric: map[string]*reads.Delivery{}, Differences: map[string]*reads.Difference{}}
	agent := status.Leader{Alive: true, Identity: "tether-7d9f8-x2x7q", Renewed: ago(2 * time.Second)}
	of := func(name, branch string, head, applied ledger.Commit, v ledger.Verdict, why string) status.Overview {
		return status.Overview{Environment: name, Repository: "https://git.example.com/xuangong/config", Branch: branch, Head: &head, Applied: &applied, Verdict: v, Reason: why, Agent: agent}
	}
	production := of("production", "main", bump, limits, ledger.RolledBack, broken)
	production.BehindSince, production.SecondsBehind = ago(12*time.Minute), 720
	production.Windows = &status.Windows{Open: true, Changes: Now.Add(3*time.Hour + 28*time.Minute)}
	staging := of("staging", "main", bump, limits, ledger.Progressing, "")
	staging.BehindSince = ago(40 * time.Second)
	demo := of("demo", "main", limits, limits, ledger.Applied, "")
	demo.Paused = &status.Paused{By: "jonas", Reason: "a demonstration for the board", Until: Now.Add(2 * time.Hour)}
	r.All["production"] = &status.Status{Overview: production, Releases: releases(limits.Commit)}
	r.All["staging"] = &status.Status{Overview: staging, Releases: releases(bump.Commit)[:4]}
	r.All["demo"] = &status.Status{Overview: demo, Releases: releases(limits.Commit)[:3]}
	for _, name := range []string{"staging", "demo"} {
		for i := range r.All[name].Releases {
			one := &r.All[name].Releases[i]
			one.Healthy, one.Reason, one.Drift, one.BlockedBy = true, "", nil, nil
		}
	}
	r.tell()
	r.object()
	r.Metric["production"] = metrics()
	r.Differences["xuangong-backend"] = difference()
	return r
}

func releases(commit string) []status.ReleaseStatus {
	one := func(name, chart, image string, after ...string) status.ReleaseStatus {
		return status.ReleaseStatus{Name: name, Namespace: "xuangong-prod", Chart: chart, ChartVersion: "1.4.0", AppVersion: "2026.11.1", Images: []string{"registry.example.com/" + image}, Revision: 7,
			Commit: commit, Status: "deployed", Healthy: true, DependsOn: after}
	}
	db := one("postgresql", "postgresql", "library/postgres:17.2")
	backend := one("xuangong-backend", "xuangong-backend", "xuangong/backend:v2026.11.1", "postgresql", "redis")
	backend.BehindSince, backend.Revision = ago(12*time.Minute), 12
	app := one("xuangong-app", "xuangong-app", "xuangong/app:v2026.11.1", "xuangong-backend")
	app.Drift = []status.Drift{{Drift: ledger.Drift{Object: "Deployment.apps xuangong-prod/xuangong-app", Path: "spec.replicas", Want: "3", Have: "5", Manager: "kubectl-scale", Operation: "Update", Since: ago(21 * time.Minute)}},
		{Drift: ledger.Drift{Object: "ConfigMap xuangong-prod/xuangong-app", Path: "data.LOG_LEVEL", Want: `"info"`, Have: `"debug"`, Manager: "kubectl-edit", Operation: "Update", Since: ago(19 * time.Minute)}}}
	docs := one("xuangong-docs", "static-site", "xuangong/docs:v41", "xuangong-app")
	jobs := one("reports", "xuangong-jobs", "xuangong/reports:v2026.10.9", "xuangong-backend")
	jobs.Healthy, jobs.Reason = false, "pod reports-5f6d-9k2: CrashLoopBackOff, exit code 1: could not connect to redis:6379"
	return []status.ReleaseStatus{db, one("redis", "redis", "library/redis:7.4"), backend, app, docs, jobs}
}

func (r *Reader) tell() {
	entry := func(c ledger.Commit, v ledger.Verdict, started, took time.Duration, why string, outcomes ...ledger.Outcome) reads.HistoryItem {
		e := &ledger.Entry{Commit: c, Verdict: v, Reason: why, Started: ago(started), Releases: outcomes}
		if v.Final() {
			at := e.Started.Add(took)
			e.Finished = &at
		}
		return reads.HistoryItem{Kind: "commit", Entry: e}
	}
	done := func(name string, revision int) ledger.Outcome {
		return ledger.Outcome{Name: name, Action: "upgrade", Revision: revision, Outcome: "applied"}
	}
	undone := ledger.Outcome{Name: "xuangong-backend", Action: "upgrade", Revision: 12, Outcome: "rolled-back", Reason: broken[len("xuangong-backend: "):]}
	act := func(a ledger.Act) reads.HistoryItem { return reads.HistoryItem{Kind: a.Kind, Act: &a} }
	r.Stories["production"] = []reads.HistoryItem{
		entry(bump, ledger.RolledBack, 12*time.Minute, 94*time.Second, broken, undone),
		act(ledger.Act{Kind: ledger.Repaired, At: ago(19 * time.Minute), Release: "xuangong-app", Reason: "Deployment.apps xuangong-prod/xuangong-app spec.replicas by kubectl-scale", Times: 3, Last: ago(19 * time.Minute)}),
		act(ledger.Act{Kind: ledger.Resumed, At: ago(2 * time.Hour), By: "jonas"}),
		entry(limits, ledger.Applied, 3*time.Hour, 41*time.Second, "", done("postgresql", 7), done("xuangong-backend", 10)),
		act(ledger.Act{Kind: ledger.Paused, At: ago(4 * time.Hour), By: "jonas", Reason: "the database moves", Until: ago(90 * time.Minute)}),
		entry(beta, ledger.Applied, 26*time.Hour, 12*time.Second, "", done("xuangong-app", 6)),
		entry(first, ledger.NoOp, 52*time.Hour, time.Second, "nothing changes"),
	}
	r.Stories["staging"] = []reads.HistoryItem{
		entry(bump, ledger.Progressing, 40*time.Second, 0, "", ledger.Outcome{Name: "xuangong-backend", Action: "upgrade", Revision: 12, Outcome: "progressing"}),
		entry(limits, ledger.Applied, 3*time.Hour+10*time.Minute, 39*time.Second, "", done("postgresql", 7)),
		entry(beta, ledger.Applied, 27*time.Hour, 11*time.Second, "", done("xuangong-app", 6)),
		entry(first, ledger.Applied, 52*time.Hour, 15*time.Second, "", done("xuangong-app", 5)),
	}
	r.Stories["demo"] = []reads.HistoryItem{
		entry(limits, ledger.Applied, 3*time.Hour, 22*time.Second, "", done("postgresql", 7)),
		entry(first, ledger.Superseded, 52*time.Hour, time.Second, "superseded by 4b1d90c"),
	}
}

func metrics() *reads.Delivery {
	lead, recovery := int64(512), int64(148)
	d := &reads.Delivery{Delivery: ledger.Delivery{Environment: "production", Complete: true, Deployments: 63, DeploysPerDay: 2.1, LeadTime: &lead, Failed: 5, ChangeFailRate: .079, RecoveryTime: &recovery, Rework: 4, ReworkRate: .063}}
	good := []int{2, 3, 1, 0, 0, 4, 2, 3, 2, 1, 0, 0, 2, 5, 3, 1, 2, 0, 0, 3, 2, 4, 1, 3, 0, 0, 5, 2, 3, 4, 3}
	for i, n := range good {
		day := reads.Day{Date: Now.AddDate(0, 0, i-30).Format(time.DateOnly), Deployments: n}
		if i%7 == 6 && n > 0 || i == 30 {
			day.Failed = 1
		}
		d.Days = append(d.Days, day)
	}
	return d
}

func difference() *reads.Difference {
	return &reads.Difference{Name: "xuangong-backend", Namespace: "xuangong-prod", From: 11, To: 12, Objects: []reads.ObjectDifference{
		{Object: "Deployment.apps xuangong-prod/xuangong-backend", Action: "update", Fields: []reads.FieldDifference{
			{Path: "spec.template.spec.containers[backend].image", From: `"registry.example.com/xuangong/backend:v2026.11.1"`, To: `"registry.example.com/xuangong/backend:v2026.11.2"`},
			{Path: "spec.template.spec.containers[backend].env[DATABASE_URL].value", From: "(masked)", To: "(masked)"},
			{Path: "spec.template.spec.containers[backend].resources.limits.memory", From: `"512Mi"`, To: `"768Mi"`}}},
		{Object: "ConfigMap xuangong-prod/xuangong-backend", Action: "create", Fields: []reads.FieldDifference{}}}}
}

// Many is one environment of so many releases, each after the one before the last.
func Many(n int) *Reader {
	r := Few()
	st := r.All["production"]
	st.Releases = nil
	for i := range n {
		one := status.ReleaseStatus{Name: fmt.Sprintf("service-%04d", i), Namespace: "many", Chart: "service", ChartVersion: "3.12.1", AppVersion: "1.0", Healthy: i%97 != 3, Commit: limits.Commit, Revision: 3,
			Images: []string{fmt.Sprintf("registry.example.com/platform/service-%04d:v2026.11.%d", i, i%30)}}
		if i > 1 {
			one.DependsOn = []string{fmt.Sprintf("service-%04d", i-2)}
		}
		if !one.Healthy {
			one.Reason = "pod service-0003-abc: CrashLoopBackOff, exit code 1"
		}
		st.Releases = append(st.Releases, one)
	}
	return r
}

// Hostile has text in each place that comes from outside which would be markup, or would
// lead elsewhere.
func Hostile(text string) *Reader {
	r := Few()
	st := r.All["production"]
	c := ledger.Commit{Commit: bump.Commit, Subject: text, Author: text, Time: bump.Time}
	st.Head, st.Applied, st.Reason, st.Repository, st.Branch = &c, &c, text, text, text
	st.Paused = &status.Paused{By: text, Reason: text, Until: Now.Add(time.Hour)}
	st.Away = &ledger.Away{Reason: text, Since: Now}
	st.RulesUnread = text
	for i := range st.Releases {
		one := &st.Releases[i]
		one.Reason, one.Chart, one.ChartVersion, one.AppVersion, one.Images = text, text, text, text, []string{text}
		one.Drift = []status.Drift{{Drift: ledger.Drift{Object: text, Path: text, Want: text, Have: text, Manager: text, Refused: text, Since: Now}}}
	}
	st.Releases[0].Name = text
	st.Releases[1].DependsOn = []string{text}
	at := Now
	r.Stories["production"] = []reads.HistoryItem{
		{Kind: "commit", Entry: &ledger.Entry{Commit: c, Verdict: ledger.Verdict(text), Reason: text, Trigger: text, Started: Now, Finished: &at,
			Releases: []ledger.Outcome{{Name: text, Action: text, Outcome: text, Reason: text, Revision: 2, Undoes: []string{text}, Log: []string{text}}}}},
		{Kind: text, Act: &ledger.Act{Kind: text, At: Now, By: text, Release: text, Reason: text, Commit: text, Until: Now}}}
	r.hostileObject(text)
	r.Metric["production"].Days[0].Date = text
	r.Differences[text] = &reads.Difference{Name: text, From: 1, To: 2, Objects: []reads.ObjectDifference{{Object: text, Action: text, Why: text, Fields: []reads.FieldDifference{{Path: text, From: text, To: text}}}}}
	return r
}
