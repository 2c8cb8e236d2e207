package edit

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
)

// Put returns a YAML document with another value at a path, as Set does for a text: any
// value that JSON has. Of maps and lists no more is written than what differs, so that
// comments, order and quotes of the rest stay. An int that is the length of its list
// appends to it. The result is proven to hold the value, and all else as it was.
func Put(text []byte, path []any, value any) ([]byte, error) {
	before, err := decode(text)
	if err != nil {
		return nil, err
	}
	value, err = plainValue(value)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", Path(path), err)
	}
	want, err := with(before, path, &value)
	if err != nil {
		return nil, err
	}
	return prove(text, path, want, reconcile(nil, before, want))
}

// Remove returns a YAML document without the key or the element at a path. What was the
// last of its map or list leaves that empty. The result is proven, as that of Put.
func Remove(text []byte, path []any) ([]byte, error) {
	if len(path) == 0 {
		return nil, errors.New("no key is named")
	}
	before, err := decode(text)
	if err != nil {
		return nil, err
	}
	want, err := with(before, path, nil)
	if err != nil {
		return nil, err
	}
	return prove(text, path, want, reconcile(nil, before, want))
}

// prove carries changes out, and compares what comes of it with what was wanted.
func prove(text []byte, path []any, want any, changes []change) ([]byte, error) {
	out := text
	for _, c := range changes {
		var err error
		if out, err = c.carryOut(out); err != nil {
			return nil, err
		}
	}
	after, err := decode(out)
	if err == nil {
		after, err = plainValue(after)
	}
	if want, _ := plainValue(want); err != nil || !reflect.DeepEqual(orEmpty(want), orEmpty(after)) {
		return nil, fmt.Errorf("%s can't be written without changing something else of the file: write it by hand", Path(path))
	}
	return out, nil
}

// orEmpty takes a document without content for an empty map.
func orEmpty(v any) any {
	if v == nil {
		return map[string]any{}
	}
	return v
}

// plainValue is a value as JSON has it, with whole numbers as such.
func plainValue(v any) (any, error) {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, e := range v {
			var err error
			if out[k], err = plainValue(e); err != nil {
				return nil, err
			}
		}
		return out, nil
	case []any:
		out := []any{}
		for _, e := range v {
			one, err := plainValue(e)
			if err != nil {
				return nil, err
			}
			out = append(out, one)
		}
		return out, nil
	case nil, string, bool, int64:
		return v, nil
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n, nil
		}
		return v.Float64()
	case int:
		return int64(v), nil
	case float64:
		if n := int64(v); float64(n) == v && n < 1<<53 && n > -1<<53 {
			return n, nil
		}
		return v, nil
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, errors.New("it can't be written as JSON")
	}
	return string(raw), nil
}

// with is a decoded value with another one at a path, or without what is there.
func with(in any, path []any, value *any) (any, error) {
	if len(path) == 0 {
		return *value, nil
	}
	if i, ok := path[0].(int); ok {
		list, isList := in.([]any)
		if !isList && in != nil || i < 0 || i > len(list) || i == len(list) && (value == nil || len(path) > 1) {
			return nil, fmt.Errorf("there is no element %d", i)
		}
		switch out := slices.Clone(list); {
		case i == len(list):
			return append(out, *value), nil
		case value == nil && len(path) == 1:
			return slices.Delete(out, i, i+1), nil
		default:
			v, err := with(list[i], path[1:], value)
			out[i] = v
			return out, err
		}
	}
	key := fmt.Sprint(path[0])
	m, isMap := in.(map[string]any)
	if !isMap && in != nil {
		return nil, fmt.Errorf("what holds %s is no map", key)
	}
	out := maps.Clone(m)
	if out == nil {
		out = map[string]any{}
	}
	if value == nil {
		if _, there := out[key]; !there {
			return nil, fmt.Errorf("there is no %s", key)
		}
		if len(path) == 1 {
			delete(out, key)
			return out, nil
		}
	}
	v, err := with(out[key], path[1:], value)
	out[key] = v
	return out, err
}

// change is one thing to be written: a value in another's place, a key or an element that
// is new (add), or one that goes (value is not read then).
type change struct {
	path        []any
	value       any
	add, remove bool
}

// reconcile lists what has to be written for one value to become another.
func reconcile(path []any, old, to any) []change {
	om, oldMap := old.(map[string]any)
	tm, newMap := to.(map[string]any)
	ol, oldList := old.([]any)
	tl, newList := to.([]any)
	same, _ := equal(old, to)
	switch {
	case same:
		return nil
	case oldMap && newMap && len(om) > 0 && len(tm) > 0:
		return reconcileMaps(path, om, tm)
	case oldList && newList && len(ol) > 0 && len(tl) > 0:
		return reconcileLists(path, ol, tl)
	case len(path) == 0 && newMap && (oldMap || old == nil):
		return reconcileMaps(path, om, tm)
	}
	return []change{{path: path, value: to}}
}

func equal(a, b any) (bool, error) {
	x, err := plainValue(a)
	if err != nil {
		return false, err
	}
	y, err := plainValue(b)
	return err == nil && reflect.DeepEqual(x, y), err
}

func reconcileMaps(path []any, old, to map[string]any) []change {
	var out []change
	for _, k := range slices.Sorted(maps.Keys(to)) { // first, so that no map is empty meanwhile
		at := append(slices.Clone(path), k)
		if v, there := old[k]; there {
			out = append(out, reconcile(at, v, to[k])...)
		} else {
			out = append(out, change{path: at, value: to[k], add: true})
		}
	}
	for _, k := range slices.Sorted(maps.Keys(old)) {
		if _, stays := to[k]; !stays {
			out = append(out, change{path: append(slices.Clone(path), k), remove: true})
		}
	}
	return out
}

// reconcileLists keeps what two lists begin and end with.
func reconcileLists(path []any, old, to []any) []change {
	begin, end := 0, 0
	for begin < min(len(old), len(to)) {
		if same, _ := equal(old[begin], to[begin]); !same {
			break
		}
		begin++
	}
	for end < min(len(old), len(to))-begin {
		if same, _ := equal(old[len(old)-1-end], to[len(to)-1-end]); !same {
			break
		}
		end++
	}
	var out []change
	both := min(len(old), len(to)) - end
	for i := begin; i < both; i++ {
		out = append(out, reconcile(append(slices.Clone(path), i), old[i], to[i])...)
	}
	for i := both; i < len(to)-end; i++ {
		out = append(out, change{path: append(slices.Clone(path), i), value: to[i], add: true})
	}
	for i := len(old) - end - 1; i >= both; i-- {
		out = append(out, change{path: append(slices.Clone(path), i), remove: true})
	}
	return out
}
