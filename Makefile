# What a developer can do here; make help lists it.
KUBE := v1.37.2
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
GO_FOLDERS := agent apply charts cmd drift render source test
export CGO_ENABLED := 0

.DEFAULT_GOAL := help
.PHONY: help build controlplane tools test test-race cover lint bench fuzz walk disaster demo image clean browser kills release vuln

help: ## list what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

build: ## build bin/tether
	@echo "building bin/tether; the first time takes some minutes on two cores"
	go build -ldflags "-s -w -X main.version=$(VERSION)" -o bin/tether ./cmd/tether

controlplane: bin/controlplane bin/kwok ## build bin/controlplane and bin/kwok

bin/controlplane: $(wildcard test/controlplane/*.go) test/controlplane/go.mod
	@echo "building bin/controlplane, a Kubernetes $(KUBE); the first time takes about 8 minutes on two cores"
	cd test/controlplane && go build -ldflags "-s -w -X k8s.io/component-base/version.gitVersion=$(KUBE) -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=37" -o ../../bin/controlplane .

bin/kwok: test/controlplane/go.mod
	@echo "building bin/kwok, which plays the nodes"
	cd test/controlplane && go build -ldflags "-s -w" -o ../../bin/kwok sigs.k8s.io/kwok/cmd/kwok

tools: bin/helm bin/helm4 bin/staticcheck bin/actionlint bin/registry bin/local-kms ## build the tools that tests and lint use: Helm 3 and 4, staticcheck, actionlint, a registry, a key service

bin/helm bin/staticcheck bin/actionlint bin/registry bin/local-kms: test/tools/go.mod
	@echo "building bin/helm, bin/staticcheck, bin/actionlint, bin/registry and bin/local-kms"
	cd test/tools && go build -o ../../bin/ helm.sh/helm/v3/cmd/helm honnef.co/go/tools/cmd/staticcheck github.com/rhysd/actionlint/cmd/actionlint github.com/distribution/distribution/v3/cmd/registry github.com/nsmithuk/local-kms

# A module of its own: it has the Kubernetes libraries of the agent, so that they are compiled once.
bin/helm4: test/helm4/go.mod
	@echo "building bin/helm4, a Helm 4; after make build it takes about a minute and a half of one core"
	cd test/helm4 && go build -ldflags "-s -w" -o ../../bin/helm4 helm.sh/helm/v4/cmd/helm

test: build controlplane tools ## run all tests, on a real control plane
	go test -p 2 -parallel 3 -timeout 70m ./...
	cd test/promql && go test -count=1 ./...
	$(MAKE) browser

browser: ## look at the status page with a headless Chromium, which is installed if it is missing and make runs as root
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || \
	  { test "$$(id -u)" = 0 && command -v apt-get >/dev/null || { echo "no chromium: install it (Debian: apt-get install chromium), or run make as root"; exit 1; }; \
	    apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends chromium fonts-dejavu-core; }
	cd test/browser && go test -count=1 ./...

RACE := ./agent/... ./apply/graph ./apply/health ./drift ./render/manifest ./test/faults
test-race: controlplane ## run the tests of the loop and of pure packages with the race detector
	CGO_ENABLED=1 go test -race -short -p 2 -timeout 20m $(RACE)

cover: build controlplane tools ## run all tests, and tell by package how much of it they reach
	go test -p 2 -parallel 3 -timeout 70m -cover ./... | sed -nE 's/^ok[[:space:]]+([^[:space:]]+).*coverage: ([0-9.]+%).*/\2\t\1/p' | sort -n

# Gitea and Forgejo read GitHub's syntax. Neither shellcheck nor pyflakes is asked, which one
# machine has and another has not: that all find the same.
WORKFLOWS := $(wildcard docs/ci/github/*.yaml docs/ci/gitea/*.yaml docs/ci/tenant/*.yaml)
lint: tools ## vet, staticcheck, actionlint, gofmt, tidy modules, import rules
	@test -z "$$(gofmt -l $(GO_FOLDERS))" || { gofmt -l $(GO_FOLDERS); echo "format these with gofmt -w"; exit 1; }
	go vet ./...
	bin/staticcheck ./...
	bin/actionlint -shellcheck= -pyflakes= $(WORKFLOWS)
	go mod tidy -diff
	cd test/controlplane && go vet ./... && go mod tidy -diff
	cd test/sbom && go mod tidy -diff
	cd test/promql && go vet ./... && go mod tidy -diff
	cd test/browser && go vet ./... && go mod tidy -diff
	cd test/helm4 && go mod tidy -diff
	go test ./test/house

bench: build controlplane ## measure the agent against a floor of the same run
	go test -run '^$$' -bench . -benchmem ./agent ./apply/... ./render ./render/blame
	go test -run '^$$' -bench '^Benchmark[^S]|Still' -benchtime 5x -timeout 20m ./test/bench
	go test -run '^$$' -bench Scale -benchtime 1x -timeout 60m ./test/bench

fuzz: build controlplane ## fuzz the parsers and the field projection, some minutes
	go test -run '^$$' -fuzz FuzzParse -fuzztime 60s ./render/manifest
	go test -run '^$$' -fuzz FuzzUnpack -fuzztime 60s ./render/charts
	go test -run '^$$' -fuzz FuzzCompare -fuzztime 60s ./drift
	TETHER_FUZZ_EDITS=$${TETHER_FUZZ_EDITS:-5000} go test -run ProjectionNeverHides -count 1 -timeout 30m -v ./test/live
	go test -run '^$$' -fuzz FuzzDecrypt -fuzztime 60s ./render/sops
	go test -run '^$$' -fuzz FuzzSet -fuzztime 60s ./render/edit
	go test -run '^$$' -fuzz FuzzPut -fuzztime 60s ./render/edit
	go test -run '^$$' -fuzz FuzzOf -fuzztime 60s ./apply/health
	go test -run '^$$' -fuzz FuzzEnvironment -fuzztime 60s ./render/config
	go test -run '^$$' -fuzz FuzzReleaseFields -fuzztime 60s ./render
	go test -run '^$$' -fuzz FuzzIndex -fuzztime 60s ./render/fetch
	go test -run '^$$' -fuzz FuzzValues -fuzztime 60s ./render
	go test -run '^$$' -fuzz FuzzUnmarshal -fuzztime 60s ./render/yamldoc
	go test -run '^$$' -fuzz FuzzMessage -fuzztime 60s ./render/worker
	go test -run '^$$' -fuzz FuzzReceive -fuzztime 60s ./render/worker/wire
	go test -run '^$$' -fuzz FuzzChart -fuzztime 60s ./render/worker

walk: build controlplane tools ## walk at random through 500 steps of all that happens to an agent, about 20 minutes
	TETHER_WALK_STEPS=$${TETHER_WALK_STEPS:-500} TETHER_WALK_SEED=$${TETHER_WALK_SEED:-$$(date +%s)} go test -run TestRandomWalk -timeout 90m -v ./test/e2e

kills: build controlplane ## kill the agent 100 times between a verdict and its notification, some minutes
	TETHER_KILLS=$${TETHER_KILLS:-100} go test -run TestEachVerdictIsToldWhereverTheAgentDies -count 1 -timeout 40m -v ./test/e2e

disaster: build controlplane tools ## throw a cluster away, bring an empty one back from git, and print how long it took
	go test -run TestAClusterComesBackFromGit -count 1 -timeout 20m -v ./test/e2e

demo: build controlplane ## watch the main job on a real control plane
	bin/tether demo

image: ## build the container image
	docker build --build-arg VERSION=$(VERSION) --tag tether:$(VERSION) .

bin/cyclonedx-gomod: test/sbom/go.mod
	@echo "building bin/cyclonedx-gomod, which lists what a binary is built of"
	cd test/sbom && go build -o ../../bin/ github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod

release: bin/helm bin/cyclonedx-gomod ## build what a release publishes into dist/, and check it; VERSION is a tag, v1.2.3
	go run ./test/release -version "$(VERSION)"

# The database comes as a Go module, which a machine reaches that reaches the module proxy only.
vuln: ## look for known vulnerabilities in what the code calls (GOVULNDB names another database)
	db=$${GOVULNDB:-file://$$(go mod download -json golang.org/x/vulndb@latest | sed -n 's/^\t"Dir": "\(.*\)",$$/\1/p')/data/osv}; \
	  go run golang.org/x/vuln/cmd/govulncheck@v1.9.0 -db "$$db" ./...

clean: ## remove what was built
	rm -rf bin dist
