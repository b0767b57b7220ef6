# `make help` lists what there is. `make check` is what CI runs.

GO         ?= go
SAMPLE     ?= testdata/workspaces/hyperlight
STORM      ?= 10000
# Whole releases and whole processes: the race detector would make them five to ten times slower, so it watches them in e2e.
SLOW_RACES := ./internal/cli ./internal/credential ./internal/redist/deny ./internal/redist/mirror ./internal/rehearsal/storm ./internal/release/ship
# Parsers and editors of bytes that strangers wrote: package:target. What they find is kept in testdata/fuzz and tried by every test run.
FUZZ       := registry/index:FuzzParse registry/index:FuzzParseConfig registry/wire:FuzzErrorBody registry/wire:FuzzRetryAfter \
              registry/cratefile:FuzzArchive registry/cratefile:FuzzManifest credential:FuzzRespond \
              cargo/manifest:FuzzParse cargo/edit:FuzzEdit cargo/edit:FuzzRenumber config:FuzzLoad
FUZZTIME   ?= 30s
ACTIONLINT := github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
GORELEASER := github.com/goreleaser/goreleaser/v2@v2.15.1
SYFT       := github.com/anchore/syft/cmd/syft@v1.57.1

.DEFAULT_GOAL := help
.PHONY: help build rehearse test vet e2e fuzz actionlint storm bench docs check snapshot dist syft goreleaser clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "%-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build bin/tagboat
	$(GO) build -trimpath -o bin/tagboat ./cmd/tagboat

rehearse: build ## rehearse a release of a sample workspace (SAMPLE=path for another one)
	bin/tagboat rehearse $(SAMPLE)

vet: ## gofmt and go vet
	@test -z "$$(gofmt -l cmd internal | grep -v /testdata/)" || { gofmt -l cmd internal; echo 'run gofmt -w on these'; exit 1; }
	$(GO) vet ./...

test: vet ## vet and all quick tests, with the race detector where it is quick
	$(GO) test -race -shuffle=on $$($(GO) list ./... | grep -vxF "$$($(GO) list $(SLOW_RACES))")
	$(GO) test -shuffle=on $(SLOW_RACES)

e2e: actionlint fuzz ## slow tests with the real cargo, git and processes, and GitHub's API description
	$(GO) vet -tags e2e,bench ./...
	$(GO) test -tags e2e -timeout 30m $$(grep -rl '^//go:build e2e' internal | xargs -n1 dirname | sort -u | sed 's|^|./|')
	$(GO) test -race -timeout 30m $(SLOW_RACES)

# Go's fuzzer sometimes reports its own end as a failure; what it found it says, and writes to testdata/fuzz.
fuzz: ## fuzz what reads and edits strangers' bytes, two at a time (FUZZTIME for each)
	@printf '%s\n' $(subst :, ,$(FUZZ:%='%')) | xargs -P 2 -L 1 sh -c \
		'out=$$($(GO) test "./internal/$$0" -run "^$$" -fuzz "^$$1$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 5x -parallel 1 2>&1) || \
		case "$$out" in *"Failing input"*) failed=1;; *"context deadline exceeded"*) ;; *) failed=1;; esac; \
		echo "$$0 $$1"; echo "$$out" | tail -n $${failed:-3}$${failed:+00}; exit $${failed:-0}'

actionlint: ## check the workflows in examples/ and .github/
	$(GO) run $(ACTIONLINT) -ignore 'unexpected key "queue"' -shellcheck= -pyflakes= examples/*.yml .github/workflows/*.yml

storm: build ## whole releases under a virtual clock, with faults and deaths (STORM=number)
	bin/tagboat rehearse --storm $(STORM)

bench: ## measure, and write docs/benchmarks.md
	$(GO) test -tags bench -run . -count=1 -timeout 60m -v ./internal/bench

docs: ## write the generated documents anew
	$(GO) test ./internal/tree -run 'TestGenerated|TestJSONFields' -update
	$(GO) test ./internal/config -update

goreleaser:
	GOBIN=$(CURDIR)/.cache/bin $(GO) install $(GORELEASER)

syft:
	GOBIN=$(CURDIR)/.cache/bin $(GO) install $(SYFT)

snapshot: goreleaser ## build what a release of this commit would attach, into .cache/dist
	.cache/bin/goreleaser check
	.cache/bin/goreleaser release --snapshot --clean --skip=publish,announce,sbom

dist: goreleaser syft ## build what is attached to the release of the tag that is checked out
	PATH="$(CURDIR)/.cache/bin:$$PATH" goreleaser release --clean --skip=publish,announce

check: test e2e ## what CI runs

clean: ## remove what was built and downloaded
	rm -rf bin .cache
