# Two commands do everything: `make up` and `make test`. The rest serves them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

TARGET   := x86_64-unknown-linux-gnu
OUT      := $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),target)/$(TARGET)/debug
CATALYST := $(OUT)/catalyst
export CATALYST_SOURCE := $(CURDIR)
# Where an installation leaves its traces: records, and the network namespaces of what runs.
STATE    := $(or $(CATALYST_HOME),$(or $(XDG_STATE_HOME),$(HOME)/.local/state)/catalyst)
TRACES    = $(wildcard $(STATE)/* /run/catalyst/netns/*)

.PHONY: help up down test check bench soak build console tools doctor

help: ## say what each target does
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):[^#]*## (.*)/  make \1\t\2/' | expand -t 16

up: build ## bring up the mothership and a ready Sovereign, print the link to watch it
	@./catalyst up

# A program that was cleaned away is built again for whatever it left running.
down: $(if $(wildcard $(CATALYST)),,$(if $(TRACES),build)) ## take all of it down again (volumes stay; `./catalyst down --purge` removes them too)
	@if [ -x $(CATALYST) ]; then ./catalyst down; else echo "no trace of a Sovereign or its records in $(STATE): nothing runs"; fi

build: console ## compile the binaries and the console
	@scripts/stage build cargo build --locked --bin catalyst --bin catalystd

console: console/dist/index.html

console/dist/index.html: $(shell find console -path console/node_modules -prune -o -path console/dist -prune -o -type f -print 2>/dev/null)
	@scripts/stage console-install npm --prefix console ci --no-audit --no-fund
	@scripts/stage console npm --prefix console run build
	@touch $@

tools: build ## build what a local Sovereign is made of (a second run builds nothing)
	@$(CATALYST) sandbox tools build

doctor: build ## say what this machine lacks, line by line
	@$(CATALYST) doctor

check: console ## fmt, clippy, tidy, licences, our kit against the rules, console lint
	@scripts/check

test: build tools ## every test, the sandbox suites on a real cluster included
	@scripts/test code sandbox

bench: build ## measure, and write benches/results
	@scripts/bench

soak: build ## deaths by chance on a real Sovereign; CATALYST_SOAK_ROUNDS=2 takes under five minutes
	@CATALYST_SOAK_ROUNDS=$${CATALYST_SOAK_ROUNDS:-10} scripts/stage soak e2e/run soak::
