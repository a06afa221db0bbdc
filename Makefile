# Run make help to list the targets.
SHELL := /bin/bash
BIN := $(CURDIR)/bin
GOLANGCI_VERSION := v2.11.4
HELM_VERSION := v3.20.2
# How long the long targets run. CI uses a short form.
FAULT_MESSAGES ?= 50000
FUZZTIME ?= 60s
BENCH_FLAGS ?= --compare

.DEFAULT_GOAL := help
.PHONY: help run build docs test redis peers race cover lint deploy fuzz faults bench clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-10s %s\n", $$1, $$2}'

run: ## deliver a first message, on an embedded Redis; needs only Go
	go run ./cmd/outgate dev

build: ## build the command into bin/
	CGO_ENABLED=0 go build -trimpath -o $(BIN)/outgate ./cmd/outgate

# A test of each page fails if the page differs from what is generated, so CI checks them.
docs: redis ## write the pages of docs/ that are generated: channels.md, redis.md
	go test ./cmd/outgate/internal/channels -run '^TestThePageOfChannelsIsGenerated$$' -count=1 -update
	go test ./partition/layout -count=1 -update

redis: # install redis-server if it is missing; the tests start their own
	@command -v redis-server >/dev/null || { \
		echo "installing redis-server"; \
		sudo=$$([ $$(id -u) = 0 ] || echo sudo); \
		$$sudo apt-get update -q && $$sudo apt-get install -y -q --no-install-recommends redis-server; }

# Programs that some tests need, and outgate does not. If one is missing, its tests are
# skipped; if CI is set, they fail. policy-rc.d keeps Debian from starting services as it
# installs them.
PEERS := prosody prometheus chromium python3-redis ruby-redis redis-tools tmux

peers: redis ## install the programs that some tests need: prosody, promtool, chromium, python3-redis, ruby-redis, redis-cli, tmux, node
	@missing=$$(for p in $(PEERS); do dpkg -s $$p >/dev/null 2>&1 || echo $$p; done); \
	command -v node >/dev/null || missing="$$missing nodejs npm"; \
	[ -z "$$missing" ] || { \
		echo "installing $$missing"; \
		sudo=$$([ $$(id -u) = 0 ] || echo sudo); \
		[ -e /usr/sbin/policy-rc.d ] || { printf '#!/bin/sh\nexit 101\n' | $$sudo tee /usr/sbin/policy-rc.d >/dev/null; \
			$$sudo chmod +x /usr/sbin/policy-rc.d; ours=1; }; \
		$$sudo apt-get update -q && DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -y -q --no-install-recommends $$missing; \
		status=$$?; [ -z "$$ours" ] || $$sudo rm /usr/sbin/policy-rc.d; exit $$status; }

test: redis ## run all tests but the long ones, in under five minutes
	go vet ./...
	go test -timeout 300s ./...

race: redis ## run the tests with the race detector
	go test -race -p 1 -timeout 900s ./...

cover: redis ## measure the statement coverage of all packages
	go test -timeout 600s -coverpkg=./... -coverprofile=cover.out ./...
	@go tool cover -func=cover.out | tail -1

lint: $(BIN)/golangci-lint ## run the linters
	$(BIN)/golangci-lint run ./...

$(BIN)/golangci-lint:
	GOBIN=$(BIN) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)

deploy: peers $(BIN)/helm ## check the files in deploy/: manifests, chart, alerts, dashboard, ACLs, image
	CI=true go test -count=1 -timeout 300s ./deploy
	deploy/check.sh

$(BIN)/helm:
	GOBIN=$(BIN) go install helm.sh/helm/v3/cmd/helm@$(HELM_VERSION)

# Go sometimes reports the end of FUZZTIME as a failure: "context deadline exceeded" with no
# failing input. The target ignores that.
fuzz: redis ## run every fuzz target for FUZZTIME
	@set -e -o pipefail; log=$$(mktemp); trap 'rm -f $$log' EXIT; \
	for package in $$(go list ./...); do \
		for target in $$(go test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
			echo "== $$package $$target"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1x $$package 2>&1 | tee $$log || \
				{ grep -q 'context deadline exceeded' $$log && ! grep -q 'Failing input' $$log; }; \
		done; \
	done

faults: redis ## kill workers and Redis under a load of FAULT_MESSAGES, and check the record of deliveries
	go test -tags faults -run '^TestFault' -timeout 1800s -v ./cmd/outgate/internal/e2e -messages $(FAULT_MESSAGES)

bench: redis ## run the benchmarks of docs/benchmarks.md
	go run ./cmd/outgate bench $(BENCH_FLAGS)

clean: ## remove built files
	rm -rf $(BIN) cover.out
