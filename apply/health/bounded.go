package health

import (
	"fmt"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
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
	case operators.In, operators.Equals, operators.NotEquals:
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
	mostText     = 32
	mostElements = 100
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
		if with, ok := textOf(args[1]); !isOld || !ok || old == "" || len(with) > mostText {
			return fmt.Sprintf("replace takes texts that stand in the rule: the first is not empty, and the second has at most %d characters", mostText)
		}
	case "join":
		if len(args) == 0 {
			return ""
		}
		if by, ok := textOf(args[0]); !ok || len(by) > mostText {
			return fmt.Sprintf("join takes a text that stands in the rule, of at most %d characters", mostText)
		}
	case "sets.contains", "sets.equivalent", "sets.intersects":
		for _, arg := range args {
			if arg.Kind() == ast.ListKind && arg.AsList().Size() <= mostElements {
				return ""
			}
		}
		return fmt.Sprintf("%s needs a list that stands in the rule, of at most %d elements", call.FunctionName(), mostElements)
	}
	return ""
}

func textOf(e ast.Expr) (string, bool) {
	if e.Kind() != ast.LiteralKind {
		return "", false
	}
	s, ok := e.AsLiteral().Value().(string)
	return s, ok
}
