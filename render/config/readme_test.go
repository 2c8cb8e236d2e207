package config

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
)

// What README shows of environment.yaml is one that is taken: people begin by copying it.
func TestTheReadmesEnvironmentIsTaken(t *testing.T) {
	raw, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^    apiVersion: tether\.stytex\.cloud/v1\n(    .*\n)+`).FindString(string(raw))
	if found == "" {
		t.Fatal("README shows no environment.yaml")
	}
	text := strings.ReplaceAll("\n"+found, "\n    ", "\n")
	env, err := Load(fstest.MapFS{
		"environments/production/environment.yaml":      {Data: []byte(text)},
		"environments/production/xuangong-backend.yaml": {Data: []byte("{}")},
		"environments/production/xuangong-app.yaml":     {Data: []byte("{}")},
		"charts/xuangong-backend/Chart.yaml":            {Data: []byte("apiVersion: v2\nname: xuangong-backend\nversion: 1.0.0\n")},
		"charts/xuangong-app/Chart.yaml":                {Data: []byte("apiVersion: v2\nname: xuangong-app\nversion: 1.0.0\n")},
	}, "production")
	if err != nil {
		t.Fatal(err)
	}
	if len(env.Releases) != 2 || len(env.Releases[1].DependsOn) != 1 {
		t.Errorf("%+v", env.Releases)
	}
}
