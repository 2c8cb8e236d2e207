package decide

import (
	"strings"
	"testing"
)

// planned writes releases as "name act dependency dependency", one a line; a
// dependency in parentheses is a former one. A name may have a namespace before it.
func planned(text string) []Release {
	var out []Release
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		f := strings.Fields(line)
		namespace, name, elsewhere := strings.Cut(f[0], "/")
		if !elsewhere {
			namespace, name = "prod", f[0]
		}
		r := Release{Key: namespace + "/" + name, Name: name, Decision: Decision{Act: Act(f[1])}}
		r.Listed, r.Back = r.Decision.Act != Uninstall, r.Decision.Act == Rollback
		for _, d := range f[2:] {
			if former, ok := strings.CutPrefix(d, "("); ok {
				r.Former = append(r.Former, strings.TrimSuffix(former, ")"))
			} else {
				r.DependsOn = append(r.DependsOn, d)
			}
		}
		out = append(out, r)
	}
	return out
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
		"what moves to another namespace runs there first":      {"app uninstall\nnew/app install", "app <- new/app\nnew/app"},
		"it stays where it was when it can't run there":         {"app uninstall\nnew/app hold", "app <- new/app\nnew/app"},
		"what runs there already is not waited for":             {"app uninstall\nnew/app none", "app"},
		"what needs what moves goes with it":                    {"api uninstall\napp uninstall api\nnew/api install\nnew/app install api", "api <- new/api\napp <- new/app\nnew/api\nnew/app <- new/api"},
		"a move that asks for a circle waits for nothing":       {"db rollback\napp uninstall db\nnew/app install db", "db <- app\napp\nnew/app <- db"},
		"what was dropped from dependsOn, and stays, is nobody": {"app upgrade (cache)\ncache upgrade", "app\ncache"},
	} {
		t.Run(sentence, func(t *testing.T) {
			releases := planned(c.jobs)
			for i := range releases {
				releases[i].Aborted = strings.HasPrefix(sentence, "atomic takes back")
			}
			g, _ := Order(releases, strings.HasPrefix(sentence, "atomic"))
			have := strings.ReplaceAll(g.String(), "prod/", "")
			if strings.TrimSpace(have) != c.want {
				t.Errorf("have\n%s\nwant\n%s", have, c.want)
			}
		})
	}
}
