package kube

import (
	"bytes"
	"io"
	"net/http"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xetys/tether/apply/apierror"
)

// maxErrorBody is how much of an answer with an error is read to tell what it is about.
const maxErrorBody = 64 << 10

// again has a request that changes nothing, a read or a dry-run, sent again, some times and with
// a growing pause, when it meets trouble that may be over within the second ("etcdserver: leader
// changed"): a look is many requests, of which one that fails would have it begin anew. What asks
// for a pause in its answer, and a read whose connection breaks, is left to client-go, and a watch
// to who follows it.
func again(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		reads, dry := r.Method == http.MethodGet && r.URL.Query().Get("watch") != "true", r.URL.Query().Get("dryRun") == metav1.DryRunAll
		if !reads && !dry || r.Body != nil && r.GetBody == nil {
			return next.RoundTrip(r)
		}
		for pauses := apierror.RetryPauses(); ; {
			resp, err := next.RoundTrip(r)
			if !passing(resp) && (reads || !apierror.Transient(err)) {
				return resp, err
			}
			pause, left := pauses()
			if !left {
				return resp, err
			}
			select {
			case <-time.After(pause):
			case <-r.Context().Done():
				return resp, err
			}
			if resp != nil {
				_ = resp.Body.Close() // what it said was read
			}
			if r, err = renewed(r); err != nil {
				return nil, err
			}
		}
	})
}

// renewed returns a request that can be sent once more.
func renewed(r *http.Request) (*http.Request, error) {
	if r.Body == nil {
		return r, nil
	}
	body, err := r.GetBody()
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.Body = body
	return r, nil
}

// passing reports whether an answer is trouble of the API server's that may be over within the
// second. The answer can be read as before.
func passing(resp *http.Response) bool {
	if resp == nil || resp.StatusCode < http.StatusInternalServerError || resp.StatusCode == http.StatusNotImplemented || resp.Header.Get("Retry-After") != "" {
		return false
	}
	begin, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	resp.Body = &begun{io.MultiReader(bytes.NewReader(begin), resp.Body), resp.Body}
	return err == nil && apierror.MayBeTransient(string(begin))
}

// begun is an answer whose beginning was read.
type begun struct {
	io.Reader
	io.Closer
}
