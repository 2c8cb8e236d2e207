package fetch

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/errcode"
)

// The media types of Helm's charts in registries.
const (
	typeConfig      = "application/vnd.cncf.helm.config.v1+json"
	typeChart       = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
	typeChartLegacy = "application/tar+gzip"
)

const (
	maxManifest = 1 << 20
	maxTags     = 50_000
)

// pull fetches a chart from a registry.
func pull(ctx context.Context, c *connection, kept *cache, r Reference, pin *Pin) (*fetched, error) {
	repo, err := remote.NewRepository(strings.TrimPrefix(r.URL, "oci://"))
	if err != nil {
		return nil, fmt.Errorf("%s is no address of a registry: use lower-case letters, digits and the signs . _ - / in it", r.URL)
	}
	repo.Client = &auth.Client{Client: c.registry(), Cache: auth.NewCache(), Credential: c.credential}
	repo.MaxMetadataBytes = maxManifest
	got := &fetched{resolved: r.Version}
	at := tagOf(r.Version)
	switch {
	case pin != nil:
		got.resolved, at = pin.Resolved, pin.Digest
	case !IsVersion(r.Version) && isRange(r.Version):
		if got.resolved, err = newest(ctx, c, repo, r.Version); err != nil {
			return nil, err
		}
		at = tagOf(got.resolved)
	}
	desc, manifest, err := fetchManifest(ctx, c, repo, at)
	if err != nil {
		return nil, err
	}
	layer, err := layerOf(manifest)
	if err != nil {
		return nil, err
	}
	if got.raw = kept.get(string(layer.Digest)); got.raw == nil {
		if got.raw, err = fetchLayer(ctx, c, repo, layer); err != nil {
			return nil, err
		}
	}
	got.digest = string(desc.Digest)
	return got, errors.Join(kept.put(got.raw), kept.put(manifest))
}

// tagOf is how a version is written as a tag, which may hold no +.
func tagOf(version string) string { return strings.ReplaceAll(version, "+", "_") }

// newest returns the newest version in a range, as Helm picks it: a tag that is
// written like the range itself wins, and tags that are no versions don't count.
func newest(ctx context.Context, c *connection, repo *remote.Repository, within string) (string, error) {
	constraint, err := semver.NewConstraint(within)
	if err != nil {
		return "", fmt.Errorf("version %q is no range: %w", within, err)
	}
	var found []*semver.Version
	count, literal := 0, false
	err = repo.Tags(ctx, "", func(tags []string) error {
		if count += len(tags); count > maxTags {
			return fmt.Errorf("it has more than %d tags: ask for one version", maxTags)
		}
		for _, tag := range tags {
			literal = literal || tag == within
			v, err := semver.StrictNewVersion(strings.ReplaceAll(tag, "_", "+"))
			if err == nil && constraint.Check(v) {
				found = append(found, v)
			}
		}
		return nil
	})
	switch {
	case err != nil:
		return "", c.explainOCI(err)
	case literal:
		return within, nil
	case len(found) == 0:
		return "", fmt.Errorf("%s has no version of it within %s: check both, and that it was published", c.host, within)
	}
	return slices.MaxFunc(found, func(a, b *semver.Version) int {
		return cmp.Or(a.Compare(b), strings.Compare(a.Original(), b.Original()))
	}).Original(), nil
}

func fetchManifest(ctx context.Context, c *connection, repo *remote.Repository, at string) (ocispec.Descriptor, []byte, error) {
	desc, body, err := repo.Manifests().FetchReference(ctx, at)
	if err != nil {
		return desc, nil, c.explainOCI(err)
	}
	defer body.Close()
	raw, err := readAll(c, body, desc, maxManifest)
	return desc, raw, err
}

func fetchLayer(ctx context.Context, c *connection, repo *remote.Repository, layer ocispec.Descriptor) ([]byte, error) {
	if layer.Size > MaxPacked {
		return nil, fmt.Errorf("it has %d MiB packed: %d are allowed", layer.Size>>20, MaxPacked>>20)
	}
	body, err := repo.Blobs().Fetch(ctx, layer)
	if err != nil {
		return nil, c.explainOCI(err)
	}
	defer body.Close()
	return readAll(c, body, layer, MaxPacked)
}

// readAll reads what a descriptor promises, and holds it to its digest.
func readAll(c *connection, body io.Reader, desc ocispec.Descriptor, limit int64) ([]byte, error) {
	if desc.Size > limit {
		return nil, fmt.Errorf("what %s sends has %d MiB: %d are allowed", c.host, desc.Size>>20, limit>>20)
	}
	raw, err := content.ReadAll(body, desc)
	if errors.Is(err, content.ErrMismatchedDigest) || errors.Is(err, content.ErrTrailingData) {
		return nil, fmt.Errorf("what %s sends is not what its digest %s says: the registry, or somebody on the way, changed it", c.host, desc.Digest)
	}
	if err != nil {
		return nil, c.explainOCI(err)
	}
	return raw, nil
}

// layerOf finds a chart in an OCI manifest.
func layerOf(manifest []byte) (ocispec.Descriptor, error) {
	var m ocispec.Manifest
	if err := json.Unmarshal(manifest, &m); err != nil {
		return ocispec.Descriptor{}, errors.New("its manifest is not JSON")
	}
	if m.Config.MediaType != typeConfig {
		return ocispec.Descriptor{}, errors.New("it is no Helm chart: push it with helm push")
	}
	for _, l := range m.Layers {
		if l.MediaType == typeChart || l.MediaType == typeChartLegacy {
			if !digests.MatchString(string(l.Digest)) {
				return l, errors.New("its manifest names the chart by something else than a SHA-256 digest")
			}
			return l, nil
		}
	}
	return ocispec.Descriptor{}, errors.New("its manifest lists no chart: push it with helm push")
}

// explainOCI is explain for what the registry's protocol brings.
func (c *connection) explainOCI(err error) error {
	var resp *errcode.ErrorResponse
	switch {
	case errors.As(err, &resp):
		return c.answered(resp.StatusCode)
	case errors.Is(err, errdef.ErrNotFound):
		return errAbsent
	case errors.Is(err, auth.ErrBasicCredentialNotFound):
		return c.answered(401)
	}
	return c.explain(err)
}
