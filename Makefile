# What people and CI call; the work is in deploy/local.
.DEFAULT_GOAL := help
.PHONY: help run test quick bench curves flame counts micro chaos chaos-mutants fuzz schemathesis asyncapi clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' $(MAKEFILE_LIST)

run: ## a private broker, all programs, one referral walked through; until Ctrl-C
	@deploy/local/run.sh

test: ## everything CI checks (QUICK=1: as `make quick`)
	@deploy/local/test.sh

quick: ## format, lints and unit tests only
	@QUICK=1 deploy/local/test.sh

bench: ## the goals of docs/performance.md, measured (ONLY=P1,P4; the release programs; half an hour or more)
	@deploy/local/bench.sh goals

curves: ## how rates go with what grows, as CSV and pictures in docs/curves (ONLY=stored,linger; an hour or so)
	@deploy/local/bench.sh curves

flame: ## flame graphs of a goal, in target/flame (ONLY=P1; needs perf)
	@deploy/local/bench.sh flame

counts: ## instructions an event of the hot functions (ONLY=tally: and where they are; needs valgrind)
	@deploy/local/bench.sh counts

micro: ## how long the hot functions take (ONLY=tally; a minute)
	@deploy/local/bench.sh micro

chaos: ## the whole kill matrix, a cluster of brokers, and MINUTES=30 of faults on each database (SEED=n: the same again)
	@deploy/local/chaos.sh

chaos-mutants: ## mistakes made on purpose, which the tests must catch
	@deploy/local/chaos.sh mutants

fuzz: ## what reads strangers' input, tried by libFuzzer (TARGET=money, SECONDS_EACH=60; a long first build)
	@deploy/local/fuzz.sh

schemathesis: ## the OpenAPI document tried against the running ingress with made-up requests (needs PyPI)
	@deploy/local/schemathesis.sh

asyncapi: ## docs/asyncapi.yaml read by AsyncAPI's own parser (needs npm)
	@deploy/local/asyncapi.sh

clean: ## stops what runs under .run, removes .run and target
	@for state in .run/*/; do deploy/local/services.sh down --purge "$$state"; done
	@rm -rf .run target
