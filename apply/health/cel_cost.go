package health

import (
	"fmt"
	"regexp/syntax"
	"slices"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/functions"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"github.com/google/cel-go/ext"
)

// costs counts the steps of a call where CEL can't, since the types of what it works on are
// not known before: as many as it looks at elements, or a tenth of the characters.
type costs struct{}

// CallCost implements interpreter.ActualCostEstimator; nil leaves it to CEL.
func (costs) CallCost(function, _ string, args []ref.Val, result ref.Val) *uint64 {
	switch function {
	case "sum":
		return stepsFor(elements(args[0]))
	case "condition", "is", "isNot":
		return stepsFor(conditionsOf(args[0]))
	case operators.Add, "format":
		return stepsFor(elements(result) + elements(args[len(args)-1]))
	case "bytes", "string", "int", "uint", "double", "bool", "timestamp", "duration":
		return stepsFor(elements(args[0]) + elements(result))
	case operators.In, operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals:
		return stepsFor(elements(args[0]) + elements(args[1]))
	case operators.Equals, operators.NotEquals:
		return stepsFor(min(elements(args[0]), elements(args[1])) + elements(args[1]))
	}
	return nil
}

func stepsFor(n int) *uint64 {
	out := uint64(n) + 1
	return &out
}

// elements is how many there are of a list or map; of a text a tenth of its characters.
func elements(v ref.Val) int {
	if text, ok := v.Value().(string); ok {
		return len(text) / 10
	}
	if l, ok := v.(traits.Sizer); ok {
		n, _ := l.Size().Value().(int64)
		return int(n)
	}
	return 0
}

func conditionsOf(status ref.Val) int {
	m, _ := status.Value().(map[string]any)
	list, _ := m["conditions"].([]any)
	return len(list)
}

// Bounds of what a single call may make of its arguments. CEL counts a call's steps when
// it is over, which is too late for one that makes gigabytes of two texts.
const (
	maxText     = 32
	maxElements = 100
	maxPattern  = 200        // steps of a regular expression: each may be tried at each character
	maxJoined   = 4 << 20    // characters that are put together
	maxCompared = 10_000_000 // characters that are looked at to find one text in another
)

// unbounded finds a call that may take much more than it reads; nil if there is none.
func unbounded(a *cel.Ast) *ExpressionError {
	var out *ExpressionError
	native := a.NativeRep()
	ast.PostOrderVisit(native.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.CallKind || out != nil {
			return
		}
		if why := excessive(e.AsCall()); why != "" {
			at := native.SourceInfo().GetStartLocation(e.ID())
			out = &ExpressionError{at.Line(), at.Column() + 1, why}
		}
	}))
	return out
}

func excessive(call ast.CallExpr) string {
	args := call.Args()
	switch call.FunctionName() {
	case "replace":
		old, isOld := textOf(args[0])
		if with, ok := textOf(args[1]); !isOld || !ok || old == "" || len(with) > maxText {
			return fmt.Sprintf("replace takes texts that stand in the rule: the first is not empty, and the second has at most %d characters", maxText)
		}
	case "join":
		if len(args) == 0 {
			return ""
		}
		if by, ok := textOf(args[0]); !ok || len(by) > maxText {
			return fmt.Sprintf("join takes a text that stands in the rule, of at most %d characters", maxText)
		}
	case "matches":
		pattern, ok := textOf(args[len(args)-1])
		if !ok || patternSteps(pattern) > maxPattern {
			return fmt.Sprintf("matches takes a regular expression that stands in the rule, of at most %d steps with its repetitions written out", maxPattern)
		}
	case "sets.contains", "sets.equivalent", "sets.intersects":
		for _, arg := range args {
			if arg.Kind() == ast.ListKind && arg.AsList().Size() <= maxElements {
				return ""
			}
		}
		return fmt.Sprintf("%s needs a list that stands in the rule, of at most %d elements", call.FunctionName(), maxElements)
	}
	return ""
}

// patternSteps is how long a regular expression is once it is compiled; one that is none is
// refused by CEL.
func patternSteps(pattern string) int {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return 0
	}
	prog, err := syntax.Compile(re.Simplify())
	if err != nil {
		return 0
	}
	return len(prog.Inst)
}

// measured are the functions of CEL's library of which one call may take much more than it
// reads, each with a look at its arguments before.
func measured() ([]cel.EnvOption, error) {
	library, err := cel.NewEnv(ext.Strings())
	if err != nil {
		return nil, err
	}
	var out []cel.EnvOption
	for name, most := range map[string]struct {
		of    func([]ref.Val) int
		limit int
	}{
		"join": {putTogether, maxJoined}, "format": {putTogether, maxJoined},
		"indexOf": {compared, maxCompared}, "lastIndexOf": {compared, maxCompared},
	} {
		f := library.Functions()[name]
		bindings, err := f.Bindings()
		if err != nil {
			return nil, err
		}
		refuse := func(args ...ref.Val) ref.Val {
			if n := most.of(args); n > most.limit {
				return types.NewErr("%s has to look at more than %d characters", name, most.limit)
			}
			return nil
		}
		var overloads []cel.FunctionOpt
		for _, o := range f.OverloadDecls() {
			i := slices.IndexFunc(bindings, func(b *functions.Overload) bool { return b.Operator == o.ID() })
			if i < 0 {
				return nil, fmt.Errorf("CEL's library does not say how it does %s", o.ID())
			}
			overloads = append(overloads, cel.MemberOverload(o.ID(), o.ArgTypes(), o.ResultType(), guarded(bindings[i], refuse)))
		}
		out = append(out, cel.Function(name, overloads...))
	}
	return out, nil
}

// guarded is a binding that is asked only where refuse returns nothing.
func guarded(b *functions.Overload, refuse func(...ref.Val) ref.Val) cel.OverloadOpt {
	switch {
	case b.Unary != nil:
		return cel.UnaryBinding(func(v ref.Val) ref.Val { return either(refuse(v), func() ref.Val { return b.Unary(v) }) })
	case b.Binary != nil:
		return cel.BinaryBinding(func(v, w ref.Val) ref.Val { return either(refuse(v, w), func() ref.Val { return b.Binary(v, w) }) })
	}
	return cel.FunctionBinding(func(args ...ref.Val) ref.Val {
		return either(refuse(args...), func() ref.Val { return b.Function(args...) })
	})
}

func either(refused ref.Val, call func() ref.Val) ref.Val {
	if refused != nil {
		return refused
	}
	return call()
}

// putTogether is how many characters texts have together, those in lists and maps too.
func putTogether(args []ref.Val) int {
	n := 0
	for _, arg := range args {
		n += characters(arg, maxJoined+1-n)
	}
	return n
}

// characters counts those of a value, as far as limit.
func characters(v ref.Val, limit int) int {
	switch of := v.(type) {
	case types.String:
		return len(of)
	case types.Bytes:
		return len(of)
	case traits.Mapper:
		n := 0
		for it := of.Iterator(); n < limit && it.HasNext() == types.True; {
			k := it.Next()
			n += characters(k, limit-n) + characters(of.Get(k), limit-n)
		}
		return n
	case traits.Lister:
		n := 0
		for it := of.Iterator(); n < limit && it.HasNext() == types.True; {
			n += 1 + characters(it.Next(), limit-n)
		}
		return n
	}
	return 1
}

// compared is how many characters are looked at to find one text in another, at the most.
func compared(args []ref.Val) int {
	in, isText := args[0].Value().(string)
	text, ok := args[1].Value().(string)
	if !isText || !ok {
		return 0
	}
	return len(in) * len(text)
}

func textOf(e ast.Expr) (string, bool) {
	if e.Kind() != ast.LiteralKind {
		return "", false
	}
	s, ok := e.AsLiteral().Value().(string)
	return s, ok
}
