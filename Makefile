# make help lists the targets.
SHELL := /bin/bash
BIN := $(CURDIR)/bin
GOLANGCI_VERSION := v2.11.4
HELM_VERSION := v3.20.2
# How much of the long targets to do; CI uses a short form.
FAULT_MESSAGES ?= 50000
FUZZTIME ?= 60s
BENCH_FLAGS ?= --compare
SOAK ?= 30m

.DEFAULT_GOAL := help
.PHONY: help run build test redis peers race cover lint deploy fuzz faults soak bench clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-10s %s\n", $$1, $$2}'

run: ## deliver a first message, on an embedded Redis, with only Go installed
	go run ./cmd/outgate dev

build: ## build the command into bin/
	CGO_ENABLED=0 go build -trimpath -o $(BIN)/outgate ./cmd/outgate

redis: # the tests start their own redis-server; this only makes sure there is one
	@command -v redis-server >/dev/null || { \
		echo "installing redis-server"; \
		sudo=$$([ $$(id -u) = 0 ] || echo sudo); \
		$$sudo apt-get update -q && $$sudo apt-get install -y -q --no-install-recommends redis-server; }

# What the tests talk to and nobody needs to run outgate: without one of these, its
# tests are skipped, but not where CI is set. Debian starts services as it installs
# them; policy-rc.d says no.
PEERS := prosody prometheus chromium python3-redis ruby-redis redis-tools tmux

peers: redis ## install the peers that some tests need: prosody, promtool, chromium, python3-redis, ruby-redis, node
	@missing=$$(for p in $(PEERS); do dpkg -s $$p >/dev/null 2>&1 || echo $$p; done); \
	command -v node >/dev/null || missing="$$missing nodejs npm"; \
	[ -z "$$missing" ] || { \
		echo "installing $$missing"; \
		sudo=$$([ $$(id -u) = 0 ] || echo sudo); \
		[ -e /usr/sbin/policy-rc.d ] || { printf '#!/bin/sh\nexit 101\n' | $$sudo tee /usr/sbin/policy-rc.d >/dev/null; \
			$$sudo chmod +x /usr/sbin/policy-rc.d; ours=1; }; \
		$$sudo apt-get update -q && DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -y -q --no-install-recommends $$missing; \
		status=$$?; [ -z "$$ours" ] || $$sudo rm /usr/sbin/policy-rc.d; exit $$status; }

test: redis ## all tests but the long ones, in under five minutes
	go vet ./...
	go test -timeout 300s ./...

race: redis ## the tests under the race detector
	go test -race -p 1 -timeout 900s ./...

cover: redis ## statement coverage over all packages
	go test -timeout 600s -coverpkg=./... -coverprofile=cover.out ./...
	@go tool cover -func=cover.out | tail -1

lint: $(BIN)/golangci-lint ## the linters
	$(BIN)/golangci-lint run ./...

$(BIN)/golangci-lint:
	GOBIN=$(BIN) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)

deploy: peers $(BIN)/helm ## check what is in deploy/: manifests, chart, alerts, dashboard, ACLs, image
	CI=true go test -count=1 -timeout 300s ./deploy
	deploy/check.sh

$(BIN)/helm:
	GOBIN=$(BIN) go install helm.sh/helm/v3/cmd/helm@$(HELM_VERSION)

# Go's engine now and then takes the end of FUZZTIME for a failure: its deadline, with
# no input that fails.
fuzz: redis ## every fuzz target, FUZZTIME each
	@set -e -o pipefail; log=$$(mktemp); trap 'rm -f $$log' EXIT; \
	for package in $$(go list ./...); do \
		for target in $$(go test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
			echo "== $$package $$target"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1x $$package 2>&1 | tee $$log || \
				{ grep -q 'context deadline exceeded' $$log && ! grep -q 'Failing input' $$log; }; \
		done; \
	done

faults: redis ## kill workers and Redis under load and check the record, with FAULT_MESSAGES
	go test -tags faults -run '^TestFault' -timeout 1800s -v ./cmd/outgate/internal/e2e -messages $(FAULT_MESSAGES)

bench: redis ## the benchmarks of docs/benchmarks.md
	go run ./cmd/outgate bench $(BENCH_FLAGS)

clean: ## remove what was built
	rm -rf $(BIN) cover.out
