package fetch

import (
	"context"
	"fmt"
	"io"
	"strings"
)

// chartRepositories are chart repositories, and what they lead to.
type chartRepositories struct {
	hosts   *hosts
	cache   *cache
	indexes indexes
}

// download fetches a chart from a chart repository, or a packed chart from its URL.
func (s *chartRepositories) download(ctx context.Context, c *connection, r Reference, pin *Pin, logins Logins) (*fetched, error) {
	if r.Name == "" {
		raw, err := c.packed(ctx, r.URL)
		if err != nil {
			return nil, err
		}
		return s.accept(r, pin, "", "", raw)
	}
	list, err := s.indexes.of(ctx, c, r)
	if err != nil {
		return nil, err
	}
	wanted := r.Version
	if pin != nil && pin.Resolved != "" {
		wanted = pin.Resolved
	}
	version := list.pick(wanted)
	if version == nil {
		return nil, fmt.Errorf("%s has no version of it within %s: check both, and that it was published", c.host, wanted)
	}
	raw, promised, err := s.follow(ctx, c, r, version, logins)
	if err != nil {
		return nil, err
	}
	return s.accept(r, pin, version.Version, promised, raw)
}

// accept holds what was fetched to the digests that are known of it.
func (s *chartRepositories) accept(r Reference, pin *Pin, version, promised string, raw []byte) (*fetched, error) {
	digest := digestOf(raw)
	if promised = strings.TrimPrefix(promised, "sha256:"); promised != "" && "sha256:"+promised != digest {
		return nil, fmt.Errorf("what %s sends is not what the digest in its index.yaml says: the repository, or somebody on the way, changed it", r.host())
	}
	if pin != nil && pin.Digest != digest {
		return nil, changedError(pin.Digest, digest)
	}
	return &fetched{raw, version, digest}, s.cache.put(raw)
}

// follow fetches the file that an index names. It may lie on another host, which is
// not sent the first one's credentials, or in a registry, which answers for the
// digest itself.
func (s *chartRepositories) follow(ctx context.Context, c *connection, r Reference, version *entry, logins Logins) ([]byte, string, error) {
	to, err := version.address(r.URL)
	if err != nil {
		return nil, "", fmt.Errorf("the index.yaml of %s names a file by no address", c.host)
	}
	address := to.String()
	if to.User != nil || to.Scheme != "https" && to.Scheme != "http" && to.Scheme != "oci" {
		return nil, "", fmt.Errorf("the index.yaml of %s names a file by an address that is not followed: %s", c.host, Shown(address))
	}
	if hostOf(address) != c.host {
		if c, err = s.hosts.connect(ctx, hostOf(address), logins); err != nil {
			return nil, "", err
		}
	}
	if to.Scheme == "oci" {
		at := strings.LastIndex(address, ":")
		if at < strings.LastIndex(address, "/") {
			return nil, "", fmt.Errorf("the index.yaml of %s names an image without a tag: %s", r.host(), address)
		}
		got, err := pull(ctx, c, s.cache, Reference{URL: address[:at], Version: address[at+1:]}, nil)
		if err != nil {
			return nil, "", err
		}
		return got.raw, "", nil
	}
	raw, err := c.packed(ctx, address)
	return raw, version.Digest, err
}

// packed downloads one packed chart. Many hosts keep those elsewhere.
func (c *connection) packed(ctx context.Context, address string) ([]byte, error) {
	resp, err := c.get(ctx, address, nil, true)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.ContentLength > MaxPacked {
		return nil, errPacked
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, MaxPacked+1))
	if err != nil {
		return nil, c.brokeOff(err)
	}
	if len(raw) > MaxPacked {
		return nil, errPacked
	}
	return raw, nil
}
