package render

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/xetys/tether/render/charts"
	"github.com/xetys/tether/render/config"
	"github.com/xetys/tether/render/fetch"
	"github.com/xetys/tether/render/worker"
)

// AwayError says that something outside of the repository could not be asked: the inputs
// may be good, and are worth another try.
type AwayError = charts.AwayError

// chart loads a release's chart.
func (r *Renderer) chart(ctx context.Context, files fs.FS, env *Environment, spec config.ReleaseSpec) (*charts.Chart, error) {
	from := charts.From{Files: files, Fetcher: r.config.Charts, Pins: env.Pins, Login: func(ctx context.Context, host string) (*fetch.Login, error) { return r.login(ctx, env, host) }}
	c, err := r.charts.Loader(from).Load(ctx, spec.Chart, spec.Remote)
	if err != nil {
		return nil, notHad(ctx, spec, err)
	}
	return c, nil
}

// login finds the login that an environment names for a host.
func (r *Renderer) login(ctx context.Context, env *Environment, host string) (*fetch.Login, error) {
	i := slices.IndexFunc(env.ChartCredentials, func(c config.ChartCredential) bool { return c.Host == host })
	if i < 0 {
		return nil, nil
	}
	ref := Reference{Kind: "Secret", Namespace: env.Namespace, Name: env.ChartCredentials[i].Secret}
	if r.config.References == nil {
		if r.config.Charts.Login(host) == nil {
			return nil, fmt.Errorf("the login for %s is in %s, which is not read without a cluster: give --registry-config", host, ref)
		}
		return nil, nil
	}
	data, err := r.config.References.Read(ctx, ref)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s, which is to hold the login for %s, does not exist: create it", ref, host)
	}
	if err != nil {
		return nil, &AwayError{Err: fmt.Errorf("read the login for %s: %w", host, err)}
	}
	return fetch.SecretLogin(ref.String(), host, data)
}

// notHad says that a release's chart can't be had: for what the repository holds, or
// for what is nobody's fault.
func notHad(ctx context.Context, spec config.ReleaseSpec, err error) error {
	asked := spec.Chart
	if spec.Remote != nil {
		asked = spec.Remote.String()
	}
	text := fmt.Sprintf("chart %s of release %s: ", asked, spec.Name)
	if charts.IsAway(err) {
		return &AwayError{Err: fmt.Errorf("%s%w", text, err)}
	}
	if ctx.Err() != nil || errors.Is(err, worker.ErrStart) {
		return err
	}
	return config.Problems{{File: spec.File, Line: spec.Line, Message: text + err.Error(), Cause: err}}
}
