package house_test

import (
	"go/ast"
	"go/build"
	"go/token"
	"go/types"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// mostInCircle is how many files of a package may need each other: in a larger circle each
// file has to be read to know one.
const mostInCircle = 5

func TestFilesDoNotAllNeedEachOther(t *testing.T) {
	root := rootFolder(t)
	files, sets := map[string]map[string]*ast.File{}, token.NewFileSet()
	eachParsed(t, func(pkg, file string, set *token.FileSet, parsed *ast.File) {
		sets = set
		if fits, err := build.Default.MatchFile(filepath.Join(root, path.Dir(file)), path.Base(file)); err != nil || !fits {
			return // it is another system's
		}
		if files[pkg] == nil {
			files[pkg] = map[string]*ast.File{}
		}
		files[pkg][file] = parsed
	})
	largest := 0
	for pkg, of := range files {
		n, circle := largestCircle(needs(sets, pkg, of))
		if largest = max(largest, n); n > mostInCircle {
			t.Errorf("%d files of %s need each other, more than %d: %s", n, pkg, mostInCircle, strings.Join(circle, " "))
		}
	}
	t.Logf("%d packages: the largest circle has %d files", len(files), largest)
}

// nothing imports packages as empty: what is asked here are a package's own names.
type nothing struct{}

func (nothing) Import(name string) (*types.Package, error) {
	p := types.NewPackage(name, path.Base(name))
	p.MarkComplete()
	return p, nil
}

// needs returns which files of a package each file uses names of.
func needs(set *token.FileSet, pkg string, files map[string]*ast.File) map[string]map[string]bool {
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	config := types.Config{Importer: nothing{}, Error: func(error) {}}
	_, _ = config.Check(pkg, set, slices.Collect(maps.Values(files)), info) // others' names are unknown to it
	out := map[string]map[string]bool{}
	for name := range files {
		out[name] = map[string]bool{}
	}
	base := map[string]string{}
	for name := range files {
		base[path.Base(name)] = name
	}
	for ident, object := range info.Uses {
		if !object.Pos().IsValid() {
			continue
		}
		from := base[filepath.Base(set.Position(ident.Pos()).Filename)]
		to := base[filepath.Base(set.Position(object.Pos()).Filename)]
		if from != to && from != "" && to != "" && isOfPackage(object) {
			out[from][to] = true
		}
	}
	return out
}

// isOfPackage reports whether an object is a package's, a type's field or a method: not
// something within a function.
func isOfPackage(o types.Object) bool {
	if v, ok := o.(*types.Var); ok && v.IsField() {
		return true
	}
	if f, ok := o.(*types.Func); ok {
		return f.Pkg() != nil
	}
	return o.Pkg() != nil && o.Parent() == o.Pkg().Scope()
}

// largestCircle returns the largest set of files that can all be reached from each other.
func largestCircle(needs map[string]map[string]bool) (int, []string) {
	reach := map[string]map[string]bool{}
	var walk func(from, at string)
	walk = func(from, at string) {
		for to := range needs[at] {
			if !reach[from][to] {
				reach[from][to] = true
				walk(from, to)
			}
		}
	}
	for name := range needs {
		reach[name] = map[string]bool{}
		walk(name, name)
	}
	var largest []string
	for name := range needs {
		circle := []string{path.Base(name)}
		for other := range needs {
			if other != name && reach[name][other] && reach[other][name] {
				circle = append(circle, path.Base(other))
			}
		}
		if len(circle) > len(largest) {
			largest = circle
		}
	}
	slices.Sort(largest)
	return len(largest), largest
}
