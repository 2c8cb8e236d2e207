package absorb

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// difference is one thing that differs between an object as it is rendered and as it is to
// be: a value, a key or an element that is new or goes, or a list as a whole.
type difference struct {
	path  string
	steps []any // keys, and places in lists as they are rendered
	place int   // of an element that is new, in the list as it is to be
	named []any // names of the elements on the way, each with the steps to it
	old   any
	to    any
	// Exactly one of these may be set; none is a value that is another one.
	added, gone bool
	element     bool // of a list
}

// differences lists what has to change for one value to become another.
func differences(old, to map[string]any) []difference {
	var out []difference
	walk(difference{old: old, to: to}, &out)
	return out
}

func (d difference) under(step any, name string, old, to any) difference {
	text := fmt.Sprint(step)
	switch {
	case name != "":
		text = "[name=" + name + "]"
		d.named = append(slices.Clone(d.named), append(slices.Clone(d.steps), step, "name"), name)
	case isInt(step):
		text = fmt.Sprintf("[%d]", step)
	case strings.ContainsAny(text, "./[]"):
		text = fmt.Sprintf("[%q]", text)
	case d.path != "":
		text = "." + text
	}
	return difference{path: d.path + text, steps: append(slices.Clone(d.steps), step), named: d.named, old: old, to: to}
}

func isInt(v any) bool { _, ok := v.(int); return ok }

func walk(d difference, out *[]difference) {
	if same(d.old, d.to) {
		return
	}
	om, oldMap := d.old.(map[string]any)
	tm, newMap := d.to.(map[string]any)
	ol, oldList := d.old.([]any)
	tl, newList := d.to.([]any)
	switch {
	case oldMap && newMap:
		keys := slices.Sorted(maps.Keys(om))
		for _, k := range slices.Sorted(maps.Keys(tm)) {
			if _, both := om[k]; !both {
				keys = append(keys, k)
			}
		}
		for _, k := range keys {
			o, was := om[k]
			n, is := tm[k]
			next := d.under(k, "", o, n)
			if next.added, next.gone = (!was || o == nil) && is, was && !is; next.added || next.gone {
				*out = append(*out, next)
			} else {
				walk(next, out)
			}
		}
	case oldList && newList && namesOf(ol) != nil && namesOf(tl) != nil:
		walkNamed(d, ol, tl, out)
	case oldList && newList && len(ol) == len(tl) && len(ol) > 0:
		if sorted(ol) == sorted(tl) { // the same in another order
			*out = append(*out, d)
			return
		}
		for i := range ol {
			walk(d.under(i, "", ol[i], tl[i]), out)
		}
	default:
		*out = append(*out, d)
	}
}

func sorted(list []any) string {
	var all []string
	for _, e := range list {
		all = append(all, textOf(e))
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

func walkNamed(d difference, old, to []any, out *[]difference) {
	was, is := namesOf(old), namesOf(to)
	for i, name := range was {
		n := slices.Index(is, name)
		if n >= 0 {
			walk(d.under(i, name, old[i], to[n]), out)
			continue
		}
		next := d.under(i, name, old[i], nil)
		next.gone, next.element = true, true
		*out = append(*out, next)
	}
	for n, name := range is {
		if slices.Contains(was, name) {
			continue
		}
		next := d.under(n, name, nil, to[n])
		next.added, next.element, next.place, next.named = true, true, n, d.named
		*out = append(*out, next)
	}
}

// namesOf are the names of a list's elements; nil if not each has one of its own.
func namesOf(list []any) []string {
	var out []string
	for _, e := range list {
		m, _ := e.(map[string]any)
		name, ok := m["name"].(string)
		if !ok || slices.Contains(out, name) {
			return nil
		}
		out = append(out, name)
	}
	return out
}

// same compares values as JSON has them.
func same(a, b any) bool { return textOf(a) == textOf(b) }

func textOf(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(raw)
}

// secretive are parts of variables' names that say that they hold a secret.
var secretive = []string{"passw", "secret", "token", "apikey", "api_key", "private_key", "credential"}

const secretText = "a name in it says that it is secret: put it into a file that sops encrypts, by hand"

// secret says why a difference must not get into git as it is: it is, or holds, a variable
// with a name like a secret's and a value of its own.
func (d difference) secret() string {
	name := ""
	if n := len(d.named); n > 0 {
		name, _ = d.named[n-1].(string)
	}
	if strings.HasSuffix(d.path, "].value") && isSecretive(name) || holdsSecret(d.to) {
		return secretText
	}
	return ""
}

func isSecretive(name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc(secretive, func(w string) bool { return strings.Contains(name, w) })
}

func holdsSecret(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		name, _ := v["name"].(string)
		value, _ := v["value"].(string)
		if value != "" && isSecretive(name) {
			return true
		}
		for _, e := range v {
			if holdsSecret(e) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, holdsSecret)
	}
	return false
}
