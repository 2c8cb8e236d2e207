package kube

import (
	"net/http"
	"sync/atomic"
)

// fence keeps writes from being sent while the process may not write. It stands in front
// of the connection, so that no writer can be forgotten.
type fence struct {
	check atomic.Pointer[func() error]
}

// FencedError says why a write was not sent.
type FencedError struct{ Why error }

// Error says that nothing was sent.
func (f *FencedError) Error() string { return "not sent: " + f.Why.Error() }

// Unwrap returns the reason.
func (f *FencedError) Unwrap() error { return f.Why }

func (f *fence) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		check := f.check.Load()
		if check == nil || r.Method == http.MethodGet || r.Method == http.MethodHead {
			return next.RoundTrip(r)
		}
		if err := (*check)(); err != nil {
			return nil, &FencedError{err}
		}
		return next.RoundTrip(r)
	})
}
