package health

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"github.com/google/cel-go/ext"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Bounds of an expression: its text, and what it may cost to evaluate (CEL's units,
// about one a step). A rule that looks at each of a thousand conditions costs 10,000.
const (
	maxExpression = 4096
	maxCost       = 200_000
)

// fields are the variables of an expression: the object's top-level fields, which
// are empty if they are not there.
var fields = []string{"metadata", "spec", "status", "data"}

// environment is what expressions are checked against.
var environment = sync.OnceValues(func() (*cel.Env, error) {
	object := cel.MapType(cel.StringType, cel.DynType)
	opts := []cel.EnvOption{
		cel.OptionalTypes(), ext.Strings(), ext.Sets(), ext.Math(), cel.CrossTypeNumericComparisons(true),
		cel.Variable("object", object), cel.Variable("self", object), cel.Variable("apiVersion", cel.StringType), cel.Variable("kind", cel.StringType),
		cel.Function("condition", cel.MemberOverload("status_condition", []*cel.Type{cel.DynType, cel.StringType}, cel.MapType(cel.StringType, cel.StringType), cel.BinaryBinding(findCondition))),
		cel.Function("is", cel.MemberOverload("status_is", []*cel.Type{cel.DynType, cel.StringType}, cel.BoolType, cel.BinaryBinding(conditionIs("True")))),
		cel.Function("isNot", cel.MemberOverload("status_is_not", []*cel.Type{cel.DynType, cel.StringType}, cel.BoolType, cel.BinaryBinding(conditionIs("False")))),
		cel.Function("sum", cel.MemberOverload("list_sum", []*cel.Type{cel.ListType(cel.DynType)}, cel.DoubleType, cel.UnaryBinding(sum))),
	}
	for _, f := range fields {
		opts = append(opts, cel.Variable(f, object))
	}
	bounded, err := measured()
	if err != nil {
		return nil, err
	}
	return cel.NewEnv(append(opts, bounded...)...)
})

// variables are the values of an object. A condition that was set for an older
// generation is Unknown, and a field that is null is not there.
func variables(live *unstructured.Unstructured) map[string]any {
	object, _ := withoutNull(live.Object).(map[string]any)
	vars := map[string]any{"apiVersion": live.GetAPIVersion(), "kind": live.GetKind()}
	for _, f := range fields {
		m, ok := object[f].(map[string]any)
		if !ok {
			m = map[string]any{}
		}
		vars[f] = m
	}
	if status := withoutStaleConditions(object, generation(live)); status != nil {
		vars["status"], object = status, maps.Clone(object)
		object["status"] = status
	}
	vars["object"], vars["self"] = object, object
	return vars
}

// withoutStaleConditions is a status whose conditions of older generations are Unknown; nil if it has
// none of those.
func withoutStaleConditions(object map[string]any, generation int64) map[string]any {
	status, _ := object["status"].(map[string]any)
	list, _ := status["conditions"].([]any)
	var out []any
	for i, e := range list {
		m, _ := e.(map[string]any)
		if g, ok := generationOf(m["observedGeneration"]); ok && g < generation {
			if out == nil {
				out = slices.Clone(list)
			}
			m = maps.Clone(m)
			m["status"] = "Unknown"
			out[i] = m
		}
	}
	if out == nil {
		return nil
	}
	status = maps.Clone(status)
	status["conditions"] = out
	return status
}

// withoutNull leaves out fields that are null, and copies only if there are any.
func withoutNull(v any) any {
	m, ok := v.(map[string]any)
	if !ok || !hasNull(m) {
		return v
	}
	out := make(map[string]any, len(m))
	for k, e := range m {
		if e != nil {
			out[k] = withoutNull(e)
		}
	}
	return out
}

func hasNull(m map[string]any) bool {
	for _, e := range m {
		inner, _ := e.(map[string]any)
		if e == nil || hasNull(inner) {
			return true
		}
	}
	return false
}

// sum adds up numbers; what is none counts nothing.
func sum(list ref.Val) ref.Val {
	total := 0.0
	l, ok := list.(traits.Lister)
	if !ok {
		return types.NewErr("sum is for lists")
	}
	for it := l.Iterator(); it.HasNext() == types.True; {
		switch n := it.Next().Value().(type) {
		case int64:
			total += float64(n)
		case float64:
			total += n
		}
	}
	return types.Double(total)
}

// findCondition is the condition of a type in a status (or whatever has conditions);
// all of its fields are empty if there is none.
func findCondition(status, kind ref.Val) ref.Val {
	m, _ := status.Value().(map[string]any)
	for _, c := range conditionsIn(m["conditions"]) {
		if c.kind == kind.Value() {
			return types.DefaultTypeAdapter.NativeToValue(map[string]string{"type": c.kind, "status": c.status, "reason": c.reason, "message": c.message})
		}
	}
	return types.DefaultTypeAdapter.NativeToValue(map[string]string{"type": "", "status": "", "reason": "", "message": ""})
}

func conditionIs(want string) func(ref.Val, ref.Val) ref.Val {
	return func(status, kind ref.Val) ref.Val {
		m, _ := status.Value().(map[string]any)
		for _, c := range conditionsIn(m["conditions"]) {
			if c.kind == kind.Value() {
				return types.Bool(strings.EqualFold(c.status, want))
			}
		}
		return types.False
	}
}

// program is one expression, ready to be evaluated.
type program struct{ cel.Program }

// ExpressionError is what is wrong with an expression, at a line and column of it that
// count from one.
type ExpressionError struct {
	Line, Column int
	Message      string
}

func (e *ExpressionError) Error() string {
	return fmt.Sprintf("%s (line %d, column %d of the expression)", e.Message, e.Line, e.Column)
}

// compile checks an expression, which has to have one of the types, if any.
func compile(text string, want ...*cel.Type) (*program, error) {
	if len(text) > maxExpression {
		return nil, &ExpressionError{1, 1, fmt.Sprintf("it has %d characters, more than %d", len(text), maxExpression)}
	}
	env, err := environment()
	if err != nil {
		return nil, fmt.Errorf("set up CEL: %w", err)
	}
	ast, issues := env.Compile(text)
	if issues.Err() != nil {
		first := issues.Errors()[0]
		return nil, &ExpressionError{first.Location.Line(), first.Location.Column() + 1, strings.TrimSuffix(firstLine(first.Message), " (in container '')")}
	}
	if have := ast.OutputType(); !accepts(want, have) {
		return nil, &ExpressionError{1, 1, fmt.Sprintf("it is of type %s, and has to be %s", have, want[0])}
	}
	if wrong := unbounded(ast); wrong != nil {
		return nil, wrong
	}
	p, err := env.Program(ast, cel.CostLimit(maxCost), cel.CostTracking(costs{}), cel.EvalOptions(cel.OptOptimize))
	if err != nil {
		return nil, fmt.Errorf("prepare it: %w", err)
	}
	return &program{p}, nil
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}

func accepts(want []*cel.Type, have *cel.Type) bool {
	if len(want) == 0 || have.IsExactType(cel.DynType) {
		return true
	}
	for _, w := range want {
		if have.IsExactType(w) {
			return true
		}
	}
	return false
}

// absentError says that an expression read a field that the object does not have.
type absentError struct{ field string }

func (e *absentError) Error() string { return "there is no " + e.field }

func (p *program) eval(vars map[string]any) (ref.Val, error) {
	out, _, err := p.Eval(vars)
	if err == nil {
		return out, nil
	}
	text := err.Error()
	if field, ok := strings.CutPrefix(text, "no such key: "); ok {
		return nil, &absentError{field}
	}
	if strings.Contains(text, "actual cost limit exceeded") {
		return nil, fmt.Errorf("it takes more than %d steps", maxCost)
	}
	return nil, err
}

func (p *program) truth(vars map[string]any) (bool, error) {
	out, err := p.eval(vars)
	if err != nil {
		return false, err
	}
	b, ok := out.Value().(bool)
	if !ok {
		return false, fmt.Errorf("it is %v, neither true nor false", out.Type())
	}
	return b, nil
}

func (p *program) text(vars map[string]any) (string, error) {
	out, err := p.eval(vars)
	if err != nil {
		return "", err
	}
	s, ok := out.Value().(string)
	if !ok {
		return "", errors.New("it is no text")
	}
	return s, nil
}
