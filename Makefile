# What a developer can do here; make help lists it.
KUBE := v1.37.2
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
export CGO_ENABLED := 0

.DEFAULT_GOAL := help
.PHONY: help build test lint demo clean

help: ## list what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

build: ## build bin/tether
	go build -ldflags "-X main.version=$(VERSION)" -o bin/tether ./cmd/tether

.PHONY: controlplane
controlplane: bin/controlplane ## build bin/controlplane and bin/kwok (about 8 minutes the first time)

bin/controlplane: $(wildcard test/controlplane/*.go) test/controlplane/go.mod
	@echo "building a Kubernetes $(KUBE) control plane; the first time takes about 8 minutes on two cores"
	cd test/controlplane && go build -o ../../bin/kwok sigs.k8s.io/kwok/cmd/kwok
	cd test/controlplane && go build -ldflags "-X k8s.io/component-base/version.gitVersion=$(KUBE) -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=37" -o ../../bin/controlplane .

test: build controlplane ## run all tests, on a real control plane
	go test -timeout 20m ./...

lint: ## vet and format
	@test -z "$$(gofmt -l agent apply cmd drift render source test)" || { gofmt -l agent apply cmd drift render source test; exit 1; }
	go vet ./...
	go mod tidy -diff

demo: build controlplane ## watch the main job on a real control plane
	bin/tether demo

clean: ## remove what was built
	rm -rf bin
