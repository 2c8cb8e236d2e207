package render_test

import (
	"context"
	"encoding/base64"
	"os"
	"strings"
	"testing"

	"github.com/xetys/tether/render"
	"github.com/xetys/tether/render/manifest"
	"github.com/xetys/tether/render/sops"
)

// tenant renders an environment of this repository.
func tenant(t *testing.T, name string, config render.Config) (*render.Environment, []*manifest.Release) {
	t.Helper()
	files := os.DirFS("..")
	env, err := render.LoadEnvironment(files, name)
	if err != nil {
		t.Fatal(err)
	}
	var out []*manifest.Release
	r := render.NewRenderer(config)
	for _, spec := range env.Releases {
		p, err := r.Prepare(t.Context(), files, env, spec)
		if err != nil {
			t.Fatal(err)
		}
		rel, err := r.Render(t.Context(), p, render.Options{Revision: 1, Capabilities: render.OfflineCapabilities("", nil)})
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, rel)
	}
	return env, out
}

// What the tenant's strategy says of versions and secrets is held where it deploys.
func TestTheTenantsEnvironmentsHaveRules(t *testing.T) {
	for name, images := range map[string]map[string]bool{
		"production": {"ghcr.io/xetys/xuangong/api:v2025.1.0-alpha3": true, "ghcr.io/xetys/xuangong/app:v2025.1.0-beta12": true, "ghcr.io/xetys/xuangong/api:v2026.12.3": true,
			"ghcr.io/xetys/xuangong/api:v2025.1.0-alpha202511031200": true, "docker.io/library/postgres:16-alpine": true, "docker.io/library/postgres:latest": false,
			"ghcr.io/xetys/xuangong/api:latest": false, "ghcr.io/xetys/xuangong/api:v2025.1.0-rc1": false, "ghcr.io/xetys/xuangong/api:v2025.1": false, "ghcr.io/xetys/xuangong/app": false},
		"development": {"ghcr.io/xetys/xuangong/api:main-abc": true, "ghcr.io/xetys/xuangong/api:latest": false},
	} {
		env, releases := tenant(t, name, render.Config{})
		if !env.Rules.EncryptedOnly || len(releases) != 2 {
			t.Errorf("%s: encrypted only %t, %d releases", name, env.Rules.EncryptedOnly, len(releases))
		}
		for image, runs := range images {
			if why := env.Rules.Versioning.Refuses(image); (why == "") != runs {
				t.Errorf("%s: %s: %q", name, image, why)
			}
		}
		for _, spec := range env.Releases {
			if len(spec.Verify) == 0 {
				t.Errorf("%s: release %s is not verified", name, spec.Name)
			}
		}
	}
}

// The demo's Secrets come from encrypted values, with the key that is thrown away.
func TestTheDemosSecretsAreEncrypted(t *testing.T) {
	key, err := os.ReadFile("../environments/demo/throw-away.agekey")
	if err != nil {
		t.Fatal(err)
	}
	keys, err := sops.NewKeys(map[string][]byte{"throw-away.agekey": key})
	if err != nil {
		t.Fatal(err)
	}
	env, releases := tenant(t, "demo", render.Config{Keys: func(context.Context) (*sops.Keys, error) { return keys, nil }})
	if !env.Rules.EncryptedOnly {
		t.Error("the demo takes Secrets from anywhere")
	}
	found := map[string]string{}
	for _, o := range releases[0].Objects {
		if o.GetKind() != "Secret" {
			continue
		}
		for k, v := range o.Object["data"].(map[string]any) {
			raw, err := base64.StdEncoding.DecodeString(v.(string))
			if err != nil {
				t.Fatal(err)
			}
			found[o.GetName()+" "+k] = string(raw)
		}
	}
	for name, part := range map[string]string{
		"xuangong-backend database-password": "throwaway", "xuangong-backend jwt-secret": "throw-away", "regcred .dockerconfigjson": `"ghcr.io":{"auth":`,
	} {
		if !strings.Contains(found[name], part) {
			t.Errorf("%s: %q", name, found[name])
		}
	}
}
