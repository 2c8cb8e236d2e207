package api

import (
	"fmt"
	"net/http"
	"strconv"
)

// The bounds of a page.
const (
	defaultLimit = 100
	maxLimit     = 500
)

// Page is a part of a list.
type Page struct {
	Items []any `json:"items"`
	// Total is how long the whole list is.
	Total int `json:"total"`
	// Continue asks for the next page; left out with the last one.
	Continue string `json:"continue,omitempty"`
}

func listed(list func(*API, *http.Request) ([]any, error)) func(*API, *http.Request) (any, error) {
	return func(a *API, r *http.Request) (any, error) {
		all, err := list(a, r)
		if err != nil {
			return nil, err
		}
		return cut(all, r)
	}
}

// cut returns the page that was asked for. Where the next one begins is counted from the
// end of the list: what is new comes at the front of a history, and moves nothing.
func cut(all []any, r *http.Request) (*Page, error) {
	limit, err := number(r, "limit", defaultLimit)
	if err != nil {
		return nil, err
	}
	left, err := number(r, "continue", len(all))
	if err != nil {
		return nil, err
	}
	limit, left = min(limit, maxLimit), min(left, len(all))
	p := &Page{Items: []any{}, Total: len(all)}
	rest := all[len(all)-left:]
	p.Items = append(p.Items, rest[:min(limit, len(rest))]...)
	if left > limit {
		p.Continue = strconv.Itoa(left - limit)
	}
	return p, nil
}

func number(r *http.Request, name string, none int) (int, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return none, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, usage{fmt.Errorf("%s %q: use a number from 1 on", name, text)}
	}
	return n, nil
}
