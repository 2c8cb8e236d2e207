package manifest_test

import (
	"testing"

	"github.com/xetys/tether/render/manifest"
)

func TestAnImageIsANameAndAVersion(t *testing.T) {
	for image, want := range map[string][2]string{
		"web":                             {"web", ""},
		"web:v1":                          {"web", "v1"},
		"example.com:5000/web":            {"example.com:5000/web", ""},
		"example.com:5000/a/web:v1":       {"example.com:5000/a/web", "v1"},
		"web:v1@sha256:abcdef0123456789":  {"web", "v1"},
		"web@sha256:abcdef0123456789":     {"web", "sha256:abcdef0"},
		"example.com:5000/web@sha256:abc": {"example.com:5000/web", "sha256:abc"},
	} {
		if name, version := manifest.ImageVersion(image); name != want[0] || version != want[1] {
			t.Errorf("%s: %q and %q", image, name, version)
		}
	}
}
