# GNU make. `make help` lists the targets.

PREFIX ?= /usr/local
DESTDIR ?=
CARGO ?= cargo
# The profile for install, deb and dist: dist is optimised across all crates, dev is for tests.
PROFILE ?= dist
# The folders for the Debian package and for the archives.
DEB_DIR ?= $(TARGET)
DIST_DIR ?= $(TARGET)

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-builtin-rules
.NOTPARALLEL:

# The target folder of cargo, which CARGO_TARGET_DIR or a configuration file may have moved.
TARGET = $(shell $(CARGO) metadata --format-version 1 --no-deps --locked | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
TOOLS := $(basename $(notdir $(wildcard src/bin/*.rs)))
# The executable that contains all tools. BUILT=FILE installs FILE as it is, without a build.
ALL := snapshooter-all
BUILT = $(TARGET)/$(if $(filter dev,$(PROFILE)),debug,$(PROFILE))/$(ALL)
SCRIPTS := .ci/run $(wildcard bench/*.sh) demo/run.sh $(addprefix examples/parallel/,backup diff gc hosts.sh restore verify) $(wildcard packaging/*.sh) tests/setup.sh $(wildcard tests/torture/*.sh)

BIN := $(DESTDIR)$(PREFIX)/bin
SHARE := $(DESTDIR)$(PREFIX)/share
BASH_COMPLETIONS := $(SHARE)/bash-completion/completions
ZSH_COMPLETIONS := $(SHARE)/zsh/site-functions
FISH_COMPLETIONS := $(SHARE)/fish/vendor_completions.d

.PHONY: build demo test test-local torture bench install uninstall clean help

build: ## build the tools, optimised (the default target)
	$(CARGO) build --release --locked

demo: build ## back up, change, compare and restore a real folder, showing every command
	PATH="$(TARGET)/release:$$PATH" demo/run.sh

test: ## install what the tests need; check formatting, lints and documentation; run the tests
	tests/setup.sh
	shellcheck -x $(SCRIPTS) packaging/arch/PKGBUILD
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --features multicall --all-targets -- -D warnings
	RUSTDOCFLAGS=-Dwarnings $(CARGO) doc --locked --features multicall --no-deps
	$(CARGO) test --locked --features multicall --doc
	SNAPSHOOTER_PYTHON_BIN="$(CURDIR)/.venv/bin/snapshooter" $(CARGO) test --locked --features multicall --tests --no-fail-fast

test-local: export SNAPSHOOTER_LOCAL_ONLY := 1
test-local: test ## the same without storage emulators, which are not installed either

torture: ## run the full tier of the reliability tests (power cuts, failing calls, ...): takes hours, some need root
	tests/torture/run.sh

bench: build ## install other tools and compare the speed with theirs; BENCH_ROWS="tree diff" measures only these rows
	bench/setup.sh
	PATH="$(TARGET)/release:$$PATH" bench/run.sh

install: ## install one executable with links for all tools, man pages, completions; PREFIX=/usr/local DESTDIR=
	$(if $(filter file,$(origin BUILT)),$(CARGO) build --profile $(PROFILE) --locked --features multicall --bin $(ALL))
	install -d "$(BIN)" "$(BASH_COMPLETIONS)" "$(ZSH_COMPLETIONS)" "$(FISH_COMPLETIONS)"
	install -m 755 "$(BUILT)" "$(BIN)/snapshooter"
	made=$$(mktemp -d); trap 'rm -rf "$$made"' EXIT; (exec -a $(ALL) "$(BUILT)" --completions "$$made"); for tool in $(TOOLS); do \
	  [ $$tool = snapshooter ] || ln -sfT snapshooter "$(BIN)/$$tool"; \
	  install -m 644 "$$made/$$tool.bash" "$(BASH_COMPLETIONS)/$$tool"; \
	  install -m 644 "$$made/_$$tool" "$(ZSH_COMPLETIONS)/_$$tool"; \
	  install -m 644 "$$made/$$tool.fish" "$(FISH_COMPLETIONS)/$$tool.fish"; \
	done
	for page in man/*.[157]; do \
	  install -d "$(SHARE)/man/man$${page##*.}"; \
	  install -m 644 "$$page" "$(SHARE)/man/man$${page##*.}/"; \
	done

uninstall: ## remove what install installed, with the same PREFIX and DESTDIR
	for tool in $(TOOLS); do \
	  rm -f "$(BIN)/$$tool" "$(BASH_COMPLETIONS)/$$tool" "$(ZSH_COMPLETIONS)/_$$tool" "$(FISH_COMPLETIONS)/$$tool.fish"; \
	done
	for page in man/*.[157]; do \
	  rm -f "$(SHARE)/man/man$${page##*.}/$${page##*/}"; \
	done

.PHONY: wheel
wheel: ## build the Python package, with all tools, into target/wheels; installs maturin into .maturin
	cmp -s packaging/maturin.txt .maturin/installed.txt || { rm -rf .maturin; python3 -m venv .maturin; \
	  .maturin/bin/pip install --quiet --disable-pip-version-check -r packaging/maturin.txt; \
	  cp packaging/maturin.txt .maturin/installed.txt; }
	packaging/wheel.sh .maturin/bin/maturin --profile $(PROFILE)

.PHONY: deb
deb: ## build a Debian package of what install installs, in the target folder or in DEB_DIR=FOLDER
	stage="$(DEB_DIR)/deb-root"; rm -rf "$$stage"; \
	$(MAKE) --no-print-directory install PREFIX=/usr DESTDIR="$$stage" ZSH_COMPLETIONS="$$stage/usr/share/zsh/vendor-completions"; \
	packaging/deb.sh "$$stage" "$(DEB_DIR)"

.PHONY: dist
dist: ## write an archive of what install installs, with its sha256, to the target folder or to DIST_DIR=FOLDER
	stage="$(DIST_DIR)/dist-root"; rm -rf "$$stage"; \
	$(MAKE) --no-print-directory install PREFIX= DESTDIR="$$stage"; \
	packaging/dist.sh "$$stage" "$(DIST_DIR)"

.PHONY: source
source: ## write an archive of the commit, a Homebrew formula and a PKGBUILD; URL= is the folder they will fetch it from
	packaging/source.sh "$(DIST_DIR)" "$(URL)" "$(HOMEPAGE)"

# The systems and processors that check-targets is for; it needs `rustup target add` for each.
TARGETS ?= aarch64-unknown-linux-gnu aarch64-apple-darwin x86_64-unknown-freebsd

.PHONY: check-targets
check-targets: ## check that all tools compile for other systems and processors, TARGETS=; nothing is linked
	for target in $(TARGETS); do packaging/check-target.sh $$target --features multicall --bins; done

clean: ## remove what was built, and the folders of Python and Node packages
	$(CARGO) clean
	rm -rf .venv .readers .fsspec .linters .emulators .maturin .wheel

help: ## print this list
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' Makefile | expand -t 15
