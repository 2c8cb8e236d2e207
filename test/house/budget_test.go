package house_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The budgets for the code: what is over them has grown too large.
const (
	mostFunctionLines = 60
	p90FunctionLines  = 30 // nine of ten functions are no longer
	mostFileLines     = 400
	mostFields        = 12
	mostMethods       = 25
)

// wide are types with as many fields as the document that they are read from, or stored as, and
// why: to group their fields would only hide which field of the document each is.
var wide = map[string]string{
	"fields of apply/record.Record":       "it is a Helm release record: a field for each label of its Secret, and what Helm stores in it",
	"fields of render/config.Environment": "it is the spec of environment.yaml, field by field",
	"fields of render/config.ReleaseSpec": "it is a release of environment.yaml, field by field",
}

// figures are what is measured of a package.
type figures struct {
	fields, methods map[string]int
}

func TestCodeStaysInItsBudgets(t *testing.T) {
	packages := map[string]*figures{}
	found := map[string]int{}
	var lengths []int // of functions
	note := func(what string, have, most int) {
		if have > most {
			found[what] = have
		}
	}
	eachParsed(t, func(pkg, file string, set *token.FileSet, parsed *ast.File) {
		f := packages[pkg]
		if f == nil {
			f = &figures{map[string]int{}, map[string]int{}}
			packages[pkg] = f
		}
		note("lines of "+file, set.Position(parsed.FileEnd).Line-1, mostFileLines)
		for _, d := range parsed.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				lines := set.Position(d.End()).Line - set.Position(d.Pos()).Line + 1
				lengths = append(lengths, lines)
				note(fmt.Sprintf("lines of %s in %s", d.Name.Name, file), lines, mostFunctionLines)
				if d.Recv != nil {
					f.methods[receiver(d.Recv.List[0].Type)]++
				}
			case *ast.GenDecl:
				countFields(f, d)
			}
		}
	})
	for what := range wide {
		if pkg, name, _ := strings.Cut(strings.TrimPrefix(what, "fields of "), "."); packages[pkg] == nil || packages[pkg].fields[name] <= mostFields {
			t.Errorf("%s are no more than %d: take it out of the wide ones", what, mostFields)
		}
	}
	for pkg, f := range packages {
		for name, n := range f.fields {
			if wide["fields of "+pkg+"."+name] != "" {
				continue
			}
			note("fields of "+pkg+"."+name, n, mostFields)
		}
		for name, n := range f.methods {
			note("methods of "+pkg+"."+name, n, mostMethods)
		}
	}
	slices.Sort(lengths)
	p90 := lengths[len(lengths)*9/10]
	t.Logf("%d functions: p90 %d lines, the longest %d", len(lengths), p90, lengths[len(lengths)-1])
	if p90 > p90FunctionLines {
		t.Errorf("one of ten functions is longer than %d lines, and not than %d", p90, p90FunctionLines)
	}
	for _, what := range slices.Sorted(maps.Keys(found)) {
		t.Errorf("%s: %d, which is over the budget", what, found[what])
	}
}

func receiver(e ast.Expr) string {
	if s, ok := e.(*ast.StarExpr); ok {
		e = s.X
	}
	if g, ok := e.(*ast.IndexExpr); ok {
		e = g.X
	}
	return e.(*ast.Ident).Name
}

// countFields counts the fields of structs, but for those of options, and of what is written
// as JSON or YAML: these are as wide as what they say.
func countFields(f *figures, d *ast.GenDecl) {
	for _, s := range d.Specs {
		spec, ok := s.(*ast.TypeSpec)
		if !ok {
			continue
		}
		fields, ok := spec.Type.(*ast.StructType)
		if !ok || isOptions(spec.Name.Name) {
			continue
		}
		n, tagged := 0, 0
		for _, one := range fields.Fields.List {
			n += max(1, len(one.Names))
			if one.Tag != nil {
				tagged++
			}
		}
		if tagged == 0 {
			f.fields[spec.Name.Name] = n
		}
	}
}

func isOptions(name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc([]string{"options", "config", "flags"}, func(end string) bool { return strings.HasSuffix(name, end) })
}

// eachParsed calls see with every Go file that is no test's.
func eachParsed(t *testing.T, see func(pkg, file string, set *token.FileSet, parsed *ast.File)) {
	t.Helper()
	root := rootFolder(t)
	set := token.NewFileSet()
	eachFile(t, func(pkg, file string, _ []string) {
		parsed, err := parser.ParseFile(set, filepath.Join(root, file), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		see(pkg, file, set, parsed)
	})
}
