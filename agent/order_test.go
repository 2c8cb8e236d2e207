package agent

import (
	"strings"
	"testing"

	"github.com/xetys/tether/render"
)

// planned writes jobs as "name act dependency dependency", one a line; a
// dependency in parentheses is a former one.
func planned(text string) []*job {
	var jobs []*job
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		f := strings.Fields(line)
		j := &job{key: releaseKey{"prod", f[0]}, spec: render.ReleaseSpec{Name: f[0]}, decision: Decision{Act: Act(f[1])}}
		j.state.Listed = j.decision.Act != Uninstall
		for _, d := range f[2:] {
			if former, ok := strings.CutPrefix(d, "("); ok {
				j.former = append(j.former, strings.TrimSuffix(former, ")"))
			} else {
				j.spec.DependsOn = append(j.spec.DependsOn, d)
			}
		}
		jobs = append(jobs, j)
	}
	return jobs
}

func TestOrder(t *testing.T) {
	for sentence, c := range map[string]struct{ jobs, want string }{
		"what changes comes after what it depends on":           {"app upgrade api\napi upgrade", "app <- api\napi"},
		"what stays has to be healthy":                          {"app upgrade api\napi none", "app <- api\napi"},
		"what stays is no reason to wait when nothing changes":  {"app none api\napi none\nweb repair", "web"},
		"what changes waits through what stays":                 {"app upgrade api\napi none db\ndb upgrade", "app <- api, db\napi\ndb"},
		"what goes back comes before what it depends on":        {"app rollback api\napi rollback", "app\napi <- app"},
		"so it does through what stays":                         {"app rollback api\napi none db\ndb rollback", "app\ndb <- app"},
		"what goes back waits for nobody's health":              {"app rollback api\napi none", "app"},
		"what goes back is not held by what is":                 {"app rollback api\napi hold", "app\napi"},
		"what changes is held by what is":                       {"app upgrade api\napi hold", "app <- api\napi"},
		"what goes back comes after what changes":               {"app rollback api\napi upgrade", "app <- api\napi"},
		"an order in a circle goes forward":                     {"app rollback api db\napi upgrade db\ndb rollback", "app <- api, db\napi <- db\ndb"},
		"drift is put back in order":                            {"app repair api\napi repair", "app <- api\napi"},
		"drift waits for no change":                             {"app repair api\napi upgrade", "app\napi"},
		"what changes waits for drift to be put back":           {"app upgrade api\napi repair", "app <- api\napi"},
		"what depended on another is uninstalled first":         {"app uninstall (api)\napi uninstall", "app\napi <- app"},
		"what is uninstalled waits until it is needed no more":  {"app upgrade (cache)\ncache uninstall", "app\ncache <- app"},
		"atomic removes only when all else is done":             {"app upgrade\nold uninstall\nolder uninstall (old)", "app\nold <- older, app\nolder <- app"},
		"atomic takes back what came, whoever is held":          {"api hold new\nnew uninstall db\ndb rollback", "api\nnew\ndb <- new"},
		"atomic going back waits for no removal":                {"app rollback\nold uninstall", "app\nold"},
		"what was dropped from dependsOn, and stays, is nobody": {"app upgrade (cache)\ncache upgrade", "app\ncache"},
	} {
		t.Run(sentence, func(t *testing.T) {
			jobs := planned(c.jobs)
			for _, j := range jobs {
				if strings.HasPrefix(sentence, "atomic takes back") {
					j.state.Aborted = "another failed"
				}
			}
			have := strings.ReplaceAll(order(jobs, strings.HasPrefix(sentence, "atomic")).String(), "prod/", "")
			if strings.TrimSpace(have) != c.want {
				t.Errorf("have\n%s\nwant\n%s", have, c.want)
			}
		})
	}
}
