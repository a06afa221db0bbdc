#!/bin/sh
# check.sh makes the checks that take too long for a test, or need other modules:
#
#   - render the chart with each of helm/outgate/ci/*.yaml, and read the manifests as
#     strictly as Kubernetes does;
#   - load the compose file as docker compose does;
#   - run the image's build, and test its program with all that is shipped.
#
# It needs helm (on the PATH or in bin/), redis-server and Go modules.
set -eu
cd "$(dirname "$0")"
PATH=$PATH:$(cd .. && pwd)/bin
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
for values in helm/outgate/ci/*.yaml; do
	helm lint --quiet --strict --kube-version 1.31.0 -f "$values" helm/outgate 2>/dev/null ||
		helm lint --strict --kube-version 1.31.0 -f "$values" helm/outgate
	helm template release helm/outgate --namespace outgate --kube-version 1.31.0 -f "$values" \
		>"$out/$(basename "$values")" 2>"$out/errors" || { cat "$out/errors"; exit 1; }
done
cd check
go vet ./...
go test ./...
go run . manifests "$out"/*.yaml
go run . compose ../compose.yaml

cd ../..
build=$(sed -n '/CGO_ENABLED=0/,/cmd\/outgate$/p' deploy/Dockerfile | sed "s|/out/outgate|$out/outgate|")
VERSION=v0.0.0-check TARGETOS=linux TARGETARCH=$(go env GOARCH) sh -euc "$build"
"$out/outgate" version
OUTGATE_COMMAND="$out/outgate" CI=true go test -count=1 -run 'TestWhatIsShippedWorksTogether|TestTheCommandsNeed' ./deploy
cd deploy/check && go run . static "$out/outgate"
