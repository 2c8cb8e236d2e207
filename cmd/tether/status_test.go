package main

import (
	"testing"

	"github.com/xetys/tether/agent/status"
)

func TestTheVersionThatRunsIsThatOfTheImages(t *testing.T) {
	for want, images := range map[string][]string{
		"v1":                 {"example.com:5000/web:v1"},
		"v1,v2":              {"a:v1", "b:v2", "c:v1"},
		"sha256:abcdef0":     {"a@sha256:abcdef0123456789"},
		"v3":                 {"a:v3@sha256:abcdef0123456789"},
		"4.5 (the chart's)":  nil,
		"4.5 (the chart's) ": {"example.com:5000/web"},
	} {
		r := status.ReleaseStatus{AppVersion: want, Images: images}
		if have := versionOf(r); have != want {
			t.Errorf("%v: %s, not %s", images, have, want)
		}
	}
}
