package health

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func rulesOf(t *testing.T, text string) *Rules {
	t.Helper()
	rules, wrong := ReadFile([]byte(text), "rules.yaml")
	if len(wrong) > 0 {
		t.Fatal(wrong)
	}
	return rules
}

// A misspelt field, or a grace that is no duration, would be no rule at all.
func TestBuiltInRulesAreRead(t *testing.T) {
	var specs []RuleSpec
	d := yaml.NewDecoder(bytes.NewReader(builtinText))
	d.KnownFields(true)
	if err := d.Decode(&specs); err != nil {
		t.Fatalf("builtin.yaml: %v", err)
	}
	for _, s := range specs {
		if s.Grace == "" {
			continue
		}
		if _, err := time.ParseDuration(s.Grace); err != nil {
			t.Errorf("builtin.yaml: %s %s: %v", s.Group, s.Kind, err)
		}
	}
}

func TestEachBuiltInRuleCompiles(t *testing.T) {
	if len(builtin().rules) < 60 {
		t.Errorf("there are %d rules only", len(builtin().rules))
	}
	for _, r := range builtin().rules {
		if err := r.ready(); err != nil {
			t.Errorf("%s %s: %v", r.spec.Group, r.spec.Kind, err)
		}
		if r.spec.Kind == "" || r.spec.Group == "" {
			t.Errorf("%+v has no kind or no group", r.spec)
		}
	}
}

// An object that says nothing, or nonsense, must not break a built-in rule.
func TestBuiltInRulesBearAnyStatus(t *testing.T) {
	for _, status := range []string{``, `status: {}`, `status: {conditions: null}`, `status: {conditions: []}`, `status: {conditions: [{}]}`, `status: {conditions: [1, "x"]}`,
		`status: {phase: null, state: null}`, `spec: {updateStrategy: null}, status: {phase: x}`} {
		for _, r := range builtin().rules {
			kind := strings.NewReplacer("*", "X").Replace(strings.Split(r.spec.Kind, ",")[0])
			group := strings.NewReplacer("*", "x").Replace(strings.Split(r.spec.Group, ",")[0])
			if v := Of(object(t, own{group + "/v1", kind, nil}, status), Options{}); strings.Contains(v.Reason, "can't be evaluated") {
				t.Errorf("%s/%s with %s: %s", group, kind, status, v.Reason)
			}
		}
	}
}

func TestRulesOfUsers(t *testing.T) {
	widget := own{"example.com/v1", "Widget", nil}
	for sentence, c := range map[string]struct{ rule, object, want, says string }{
		"current decides":                                       {`{kind: Widget, current: "status.level == 3"}`, `status: {level: 3}`, "healthy", "rule 1 of rules.yaml for Widget.example.com: current"},
		"what is not current is in progress":                    {`{kind: Widget, current: "status.level == 3"}`, `status: {level: 2}`, "progressing", ""},
		"a field that is not there is waited for":               {`{kind: Widget, current: "status.level == 3"}`, ``, "progressing", "level is not there yet"},
		"failed is failed":                                      {`{kind: Widget, current: "status.level == 3", failed: "status.level > 3", grace: 5m}`, `status: {level: 4}`, "failed", ""},
		"inProgress goes before failed":                         {`{kind: Widget, current: "true", failed: "true", inProgress: "true"}`, ``, "progressing", ""},
		"ignore goes before all":                                {`{kind: Widget, ignore: true, failed: "true"}`, ``, "healthy", "not judged"},
		"ignore may be an expression":                           {`{kind: Widget, ignore: "spec.test == true", current: "false"}`, `spec: {test: true}`, "healthy", ""},
		"without current the generic rule goes on":              {`{kind: Widget, failed: "status.level > 3"}`, `status: {level: 1, phase: Running}`, "healthy", ""},
		"a message is told":                                     {`{kind: Widget, current: "false", message: "'level ' + string(status.level)"}`, `status: {level: 1}`, "progressing", "level 1"},
		"a rule goes by globs":                                  {`{group: "*.com", kind: "Wid*", current: "true"}`, ``, "healthy", ""},
		"a rule of another group is not for it":                 {`{group: example.org, kind: Widget, current: "true"}`, ``, "progressing", ""},
		"a rule may be written as Flux has it":                  {`{apiVersion: example.com/v1beta1, kind: Widget, current: "status.conditions.filter(e, e.type == 'Lamp').all(e, e.status == 'True')"}`, `status: {conditions: [{type: Lamp, status: "True"}]}`, "healthy", ""},
		"a kind may name its group":                             {`{kind: example.com/Widget, current: "true"}`, ``, "healthy", ""},
		"a condition is found by its type":                      {`{kind: Widget, current: "status.is('Lamp') && status.condition('Lamp').reason == 'Lit'"}`, `status: {conditions: [{type: Lamp, status: "True", reason: Lit}]}`, "healthy", ""},
		"a condition of an older generation counts for nothing": {`{kind: Widget, current: "status.is('Lamp')"}`, `metadata: {generation: 2}, status: {conditions: [{type: Lamp, status: "True", observedGeneration: 1}]}`, "progressing", ""},
		"an error is a sentence, and the generic rule goes on":  {`{kind: Widget, current: "status.level > 'a'"}`, `status: {level: 1, phase: Running}`, "healthy", "rule 1 of rules.yaml: current can't be evaluated: no such overload"},
		"an expression without end is stopped":                  {`{kind: Widget, current: "spec.l.all(a, spec.l.all(b, spec.l.all(c, spec.l.all(d, a + b + c + d >= 0))))"}`, `spec: {l: [` + strings.Repeat("1,", 60) + `1]}, status: {phase: Running}`, "healthy", "takes more than"},
		"a rule wins over a built-in kind":                      {`{kind: Deployment, ignore: true}`, ``, "healthy", ""},
		"a new generation is waited for first":                  {`{kind: Widget, current: "true"}`, `metadata: {generation: 2}, status: {observedGeneration: 1}`, "progressing", "generation is 2"},
		"held waits for somebody":                               {`{kind: Widget, held: "spec.stop == true", current: "true"}`, `spec: {stop: true}`, "held", "somebody"},
	} {
		t.Run(sentence, func(t *testing.T) {
			k := widget
			if strings.Contains(c.rule, "kind: Deployment") {
				k = own{"apps/v1", "Deployment", nil}
			}
			v := Of(object(t, k, c.object), Options{Rules: rulesOf(t, "- "+c.rule)})
			if have := stateOf(v); have != c.want || !strings.Contains(v.Rule+" "+v.Reason, c.says) {
				t.Errorf("%s: %+v, want %s and %q", have, v, c.want, c.says)
			}
			if v.Failed && v.Grace != 5*time.Minute {
				t.Errorf("its grace is %s", v.Grace)
			}
		})
	}
}

func TestTheFirstOriginOfRulesWins(t *testing.T) {
	ours, theirs := rulesOf(t, `[{kind: Widget, current: "true"}]`), rulesOf(t, `[{kind: "*", failed: "true"}]`)
	all := ours.Then(theirs)
	if v := Of(object(t, own{"example.com/v1", "Widget", nil}, ""), Options{Rules: all}); v.State != Healthy {
		t.Errorf("%+v", v)
	}
	if v := Of(object(t, own{"example.com/v1", "Gadget", nil}, ""), Options{Rules: all}); !v.Failed {
		t.Errorf("%+v", v)
	}
	var none *Rules
	if none.Then(nil) != nil || none.Then(ours) != ours || !all.Equal(ours.Then(theirs)) || all.Equal(theirs) || all.Equal(nil) {
		t.Error("rules are put together wrongly")
	}
}

func TestWrongRulesAreRefusedWithTheirPlace(t *testing.T) {
	for sentence, c := range map[string]struct{ text, want string }{
		"an unknown field":                     {"- kind: A\n  curent: x\n", "2:3: field curent is unknown in a rule of health"},
		"no kind":                              {"- current: 'true'\n", "1:3: a rule of health needs a kind"},
		"no expression":                        {"- kind: A\n", "1:3: a rule of health needs one of current"},
		"an expression that is cut off":        {"- kind: A\n  current: status.x ==\n", "2:23: current is no rule: Syntax error"},
		"a variable that is none":              {"- kind: A\n  current: \"stat.x == 1\"\n", "2:13: current is no rule: undeclared reference to 'stat'"},
		"a number":                             {"- kind: A\n  current: 1 + 1\n", "2:12: current is no rule: it is of type int, and has to be bool"},
		"a message that is no text":            {"- kind: A\n  current: 'true'\n  message: 1 + 1\n", "3:12: message is no rule: it is of type int, and has to be string"},
		"a second line of a block":             {"- kind: A\n  current: |\n    status.x == 1 &&\n    stat.y == 2\n", "4:5: current is no rule: undeclared reference to 'stat'"},
		"a second line that is folded":         {"- kind: A\n  current: >-\n    status.x == 1 &&\n    stat.y == 2\n", "4:5: current is no rule: undeclared reference to 'stat'"},
		"a bad glob":                           {"- kind: '[A'\n  current: 'true'\n", "1:9: kind \"[A\" of a rule of health"},
		"a bad grace":                          {"- kind: A\n  failed: 'true'\n  grace: soon\n", "3:10: grace \"soon\" of a rule of health"},
		"no list":                              {"health: 1\n", "1:9: health is a list of rules"},
		"no text":                              {"- kind: A\n  current: [a]\n", "2:12: current of a rule of health is a text"},
		"no mapping":                           {"- A\n", "1:3: a rule of health is a mapping"},
		"something else":                       {"rules: []\n", "1:1: it has no health:"},
		"an expression without end":            {"- kind: A\n  current: \"" + strings.Repeat("true && ", 600) + "true\"\n", "2:13: current is no rule: it has"},
		"a text that grows beyond bounds":      {"- kind: A\n  current: spec.a.replace('', spec.a) == 'x'\n", "2:26: current is no rule: replace takes texts that stand in the rule"},
		"a separator from the object":          {"- kind: A\n  message: spec.l.join(spec.a)\n  current: 'true'\n", "2:23: message is no rule: join takes a text"},
		"sets of which both are of the object": {"- kind: A\n  current: sets.contains(spec.a, spec.b)\n", "2:25: current is no rule: sets.contains needs a list"},
		"a function that does not exist":       {"- kind: A\n  current: lists.range(100000000).size() > 0\n", "2:"},
	} {
		t.Run(sentence, func(t *testing.T) {
			_, wrong := ReadFile([]byte(c.text), "rules.yaml")
			if have := fmt.Sprint(wrong); !strings.HasPrefix(strings.Trim(have, "[]"), c.want) {
				t.Errorf("%s, want %s", have, c.want)
			}
		})
	}
	if rules, wrong := ReadFile([]byte("# nothing\n"), "rules.yaml"); rules != nil || wrong != nil {
		t.Errorf("an empty file is %v, %v", rules, wrong)
	}
}

// What nobody says anything of is waited for as long as a controller may take.
func TestSilence(t *testing.T) {
	made := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	u := object(t, own{"example.com/v1", "Widget", nil}, `metadata: {creationTimestamp: "2026-01-01T00:00:00Z"}`)
	kind := func(p Presence) func(schema.GroupVersionKind) Presence {
		return func(schema.GroupVersionKind) Presence { return p }
	}
	if v := Of(u, Options{Status: kind(Absent), Now: made}); v.State != Healthy || v.Reason != "" {
		t.Errorf("a kind without a status: %+v", v)
	}
	early := Of(u, Options{Status: kind(Present), Now: made.Add(Silence / 2)})
	if early.State != Progressing || !early.Again.Equal(made.Add(Silence)) {
		t.Errorf("at first: %+v", early)
	}
	if v := Of(u, Options{Status: kind(Present), Now: early.Again}); v.State != Healthy || !strings.Contains(v.Reason, "taken as it is") {
		t.Errorf("after that: %+v", v)
	}
	if v := Of(u, Options{}); v.State != Progressing || !v.Again.IsZero() {
		t.Errorf("in a file: %+v", v)
	}
	if v := Of(nil, Options{}); v.State != Missing {
		t.Errorf("what is not there: %+v", v)
	}
}

// A word that is older than the change is doubted, but not for long.
func TestAnOldWordCountsForNothing(t *testing.T) {
	applied := time.Date(2026, 1, 1, 0, 0, 10, 0, time.UTC)
	at := func(status, fields string) *unstructured.Unstructured {
		return object(t, own{"example.com/v1", "Widget", nil}, `metadata: {managedFields: [{manager: tether, operation: Apply, time: "2026-01-01T00:00:10Z"},
  {manager: widgets, operation: Update, subresource: status, time: "`+status+`"}]}, status: `+fields)
	}
	ready := cond("Ready", "True", "", "")
	for sentence, c := range map[string]struct {
		object *unstructured.Unstructured
		after  time.Duration
		want   State
	}{
		"the word is older":                 {at("2026-01-01T00:00:09Z", ready), time.Second, Progressing},
		"the word is newer":                 {at("2026-01-01T00:00:11Z", ready), time.Second, Healthy},
		"the controller was given its time": {at("2026-01-01T00:00:09Z", ready), StatusGrace, Healthy},
		"it says which generation it means": {at("2026-01-01T00:00:09Z", `{observedGeneration: 1, phase: Running}`), time.Second, Healthy},
	} {
		v := Of(c.object, Options{Manager: "tether", Now: applied.Add(c.after)})
		if v.State != c.want || v.State == Progressing && !v.Again.Equal(applied.Add(StatusGrace)) {
			t.Errorf("%s: %+v", sentence, v)
		}
	}
}

func TestAPauseThatWasAskedForIsNoHold(t *testing.T) {
	for _, k := range []struct {
		kind   own
		fields string
	}{
		{own{"apps/v1", "Deployment", nil}, `spec: {paused: true}`}, {own{"batch/v1", "Job", nil}, `spec: {suspend: true}`},
		{own{"kustomize.toolkit.fluxcd.io/v1", "Kustomization", nil}, `spec: {suspend: true}`}, {own{"argoproj.io/v1alpha1", "Rollout", nil}, `spec: {paused: true}, status: {phase: Paused}`},
	} {
		u := object(t, k.kind, k.fields)
		if v := Of(u, Options{}); !v.Held {
			t.Errorf("%s that somebody paused: %+v", k.kind.kind, v)
		}
		if v := Of(u, Options{Applied: u}); v.State != Healthy || v.Reason == "" {
			t.Errorf("%s that was applied paused: %+v", k.kind.kind, v)
		}
		if v := Of(u, Options{Applied: &unstructured.Unstructured{Object: map[string]any{}}, Manager: "tether"}); !v.Held {
			t.Errorf("%s that was applied otherwise: %+v", k.kind.kind, v)
		}
	}
}

func FuzzOf(f *testing.F) {
	f.Add(`{"apiVersion":"argoproj.io/v1alpha1","kind":"Rollout","status":{"conditions":[{"type":"A","status":1}]}}`)
	f.Add(`{"apiVersion":"apps/v1","kind":"StatefulSet","spec":{"replicas":"x"},"status":{"observedGeneration":[]}}`)
	f.Fuzz(func(t *testing.T, raw string) {
		u := &unstructured.Unstructured{}
		if u.UnmarshalJSON([]byte(raw)) != nil {
			return
		}
		if v := Of(u, Options{}); v.State == "" || v.Rule == "" {
			t.Errorf("%s: %+v", raw, v)
		}
	})
}

// What an expression takes is bounded, whatever the object holds.
func TestExpressionsAreBounded(t *testing.T) {
	conditions := strings.Repeat(`{type: A, status: "False"}, `, 5000)
	fields := `spec: {a: ` + strings.Repeat("a", 500_000) + `, l: [` + strings.Repeat("1, ", 5000) + `1]}, status: {conditions: [` + conditions + `{type: Z, status: "True"}]}`
	u := object(t, own{"example.com/v1", "Widget", nil}, fields)
	for _, expression := range []string{
		"spec.l.exists(a, spec.l.exists(b, a + b == 7))",
		"spec.l.exists(a, spec.l.sum() == 7.0)",
		"spec.l.exists(a, status.is('Y'))",
		"spec.l.exists(a, status.condition('Y').reason == 'x')",
		"spec.l.exists(a, spec.a.replace('a', 'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb').size() == 7)",
		"spec.a.replace('a', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa').replace('a', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa').replace('a', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa') == ''",
		"spec.l.exists(a, spec.a.matches('(a|b|c)*d'))",
		"spec.l.exists(a, spec.a + spec.a == 'x')",
		"spec.l.exists(a, 'x %s'.format([spec.l]) == 'x')",
		"spec.l.exists(a, 7 in spec.l)",
	} {
		start := time.Now()
		v := Of(u, Options{Rules: rulesOf(t, fmt.Sprintf("- {kind: Widget, current: %q}", expression))})
		if !strings.Contains(v.Reason, "takes more than 200000 steps") {
			t.Errorf("%s: %+v", expression, v)
		}
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("%s took %s", expression, took)
		}
	}
}
