# The commands of the project. They work on a machine that has Go, make, git and a C compiler (for the race detector).
# Tests get servers from REDRIVE_TEST_POSTGRES, REDRIVE_TEST_MYSQL and REDRIVE_TEST_AMQP, installed programs, Docker Compose or
# Debian packages; REDRIVE_TEST_REQUIRE=1 makes a missing one a failure. "go test ./..." alone skips what needs them. Node.js with
# npm, where it is installed, verifies signatures; it is required likewise.

GO            ?= go
LINT_VERSION  := v2.15.0
TOOLS         := $(CURDIR)/.cache/bin
LINT          := $(TOOLS)/golangci-lint-$(LINT_VERSION)
TEST_FLAGS    ?=

# Modules of their own, which ./... leaves out: what they need is nobody's who imports the library.
EXAMPLES      := examples/cloudevents examples/nats examples/oauth
ADAPTERS      := export/bucket
BROWSER       := asyncevents/management/browsertest
MODULES       := bench $(BROWSER) $(ADAPTERS) $(EXAMPLES)

# Brings up the servers that tests need, and takes them down; what it does stands in its documentation.
SERVERS       := $(TOOLS)/withservers
WITH_SERVERS  := $(SERVERS) -compose $(CURDIR)/compose.yaml --

.PHONY: help test test-browser race lint vet fuzz soak bench measure quickstart clean servers

help: ## list the commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

servers:
	@mkdir -p $(TOOLS)
	@$(GO) build -o $(SERVERS) ./internal/testserver/withservers

# Tests wait more than they work, so that more of them run at a time than there are cores.
test: servers ## run all tests in their short forms, with servers that are brought up for them
	@$(WITH_SERVERS) $(GO) test -shuffle=on -parallel 4 -timeout 20m $(TEST_FLAGS) ./...
	@for module in $(ADAPTERS) $(EXAMPLES); do (cd $$module && $(GO) test -shuffle=on -timeout 20m $(TEST_FLAGS) ./...) || exit 1; done

race: servers ## run all tests under the race detector
	@$(WITH_SERVERS) $(GO) test -race -shuffle=on -timeout 30m $(TEST_FLAGS) ./...
	@for module in $(ADAPTERS) $(EXAMPLES); do (cd $$module && $(GO) test -race -shuffle=on -timeout 30m $(TEST_FLAGS) ./...) || exit 1; done

test-browser: ## run the tests of the pages in Chromium, which is installed where it is missing
	@command -v chromium >/dev/null || { apt-get update -qq && apt-get install -y -qq chromium; } >&2
	@cd $(BROWSER) && REDRIVE_TEST_REQUIRE=1 $(GO) test -count=1 -timeout 10m $(TEST_FLAGS) .

vet: ## go vet, and that everything is formatted and tidy
	$(GO) vet ./...
	for module in $(MODULES); do (cd $$module && $(GO) vet ./...) || exit 1; done
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$unformatted" || { echo "not formatted: $$unformatted"; exit 1; }
	$(GO) mod tidy -diff
	for module in $(MODULES); do (cd $$module && $(GO) mod tidy -diff) || exit 1; done

lint: $(LINT) ## golangci-lint, at a pinned version
	$(LINT) run ./...
	for module in $(MODULES); do (cd $$module && $(LINT) run ./...) || exit 1; done

$(LINT):
	GOBIN=$(TOOLS) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION)
	mv $(TOOLS)/golangci-lint $@

fuzz: ## fuzz the decoders of request bodies for a minute
	$(GO) test ./asyncevents -run '^$$' -fuzz FuzzParseBody -fuzztime 60s
	$(GO) test ./asyncevents -run '^$$' -fuzz FuzzCloudEvent -fuzztime 15s

soak: servers ## run all tests in their long forms: more events, more kills, the whole contract on every kind of connection
	@REDRIVE_SOAK=1 $(WITH_SERVERS) $(GO) test -count=1 -timeout 60m $(TEST_FLAGS) ./...

# The DLQ and the delayed events of the large cases are BENCH_ENTRIES, the waiting ones BENCH_WAITING; the others handle
# BENCH_EVENTS events, and those beside the peers BENCH_PEERS. The DLQ and the waiting ones are measured BENCH_ROUNDS times.
BENCH_EVENTS  ?= 100000
BENCH_PEERS   ?= 20000
BENCH_COUNT   ?= 5
BENCH_ENTRIES ?= 1000000
BENCH_WAITING ?= 10000000
BENCH_ROUNDS  ?= 3
BENCH_FLAGS   ?=
BENCH         := cd bench && BENCH_ENTRIES=$(BENCH_ENTRIES) BENCH_WAITING=$(BENCH_WAITING) BENCH_ROUNDS=$(BENCH_ROUNDS) $(GO) test -run '^$$' -timeout 150m $(BENCH_FLAGS)

bench: servers ## measure what the README says of speed; HTTP needs wrk
	@$(WITH_SERVERS) $(MAKE) --no-print-directory measure

# The steps of bench, on the servers that the environment names.
measure:
	$(BENCH) -bench '^Benchmark(Accept|Consume|Process|Callbacks)$$' -benchtime $(BENCH_EVENTS)x -count $(BENCH_COUNT) .
	for run in $$(seq $(BENCH_COUNT)); do ($(BENCH) -bench Peers -benchtime $(BENCH_PEERS)x .) || exit 1; done # in turns
	$(BENCH) -bench 'Foreign/.*/postgres' -benchtime $(BENCH_EVENTS)x -count $(BENCH_COUNT) .
	$(BENCH) -bench 'Foreign/.*/mysql' -benchtime $(BENCH_PEERS)x -count 1 . # it reads all remains, again and again
	$(BENCH) -bench CallbacksBesideDead -benchtime $(BENCH_PEERS)x -count $(BENCH_COUNT) .
	$(BENCH) -bench Pickup -benchtime 200x -count $(BENCH_COUNT) .
	$(BENCH) -bench 'HTTP|Replicas' -benchtime 1x -count $(BENCH_COUNT) .
	$(BENCH) -bench 'Memory|DLQ|Finding|Pages|Delayed|Waiting|Forgetting' -benchtime 1x .
	$(GO) test ./asyncevents -run '^$$' -bench Strictness -benchtime 1x

quickstart: ## run the example server
	$(GO) run ./examples/quickstart

clean: ## remove built and installed tools
	rm -rf .cache
