# SPDX-License-Identifier: Apache-2.0
# Builds the kernel programs, the agent, the command line and the tests. `make help` lists targets.
#
#   BUILD=dir   where everything goes          V=1       show the commands
#   ROOMS=...   only these rooms of agent/     T=30      seconds of each fuzz target
#   DESTDIR= PREFIX=/usr                       TESTS=pat only tests whose name has this in it
#   SBINDIR= UNITDIR= ZSHDIR=   where a distribution has daemons, units and zsh's completions
#   ABI=4   another layout of the maps, to upgrade to and from; never for use
#   BREAK=1 promises can be broken, one by one, to see their tests fail; never for use

VERSION := 0.1.0

BUILD  ?= build
PREFIX ?= /usr
SBINDIR ?= $(PREFIX)/sbin
UNITDIR ?= $(PREFIX)/lib/systemd/system
ZSHDIR ?= $(PREFIX)/share/zsh/site-functions
sysconfdir ?= /etc
T      ?= 30
BREAK  ?=
ABI    ?=
TESTS  ?=
ROOMS  ?= base policy kern net workload health telemetry control

CC         ?= gcc
CLANG      ?= clang
BPFTOOL    ?= bpftool
PKG_CONFIG ?= pkg-config
ifeq ($(origin CC),default)
CC := gcc
endif

.DELETE_ON_ERROR:
.SECONDARY:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

ifeq ($(V),1)
Q :=
say = @:
else
Q := @
say = @printf '  %-8s %s\n' $(1) $(patsubst $(BUILD)/%,%,$(2))
endif

# --- sources -----------------------------------------------------------------------------------

BPF_SRC   := $(wildcard bpf/*.bpf.c)
LIB_SRC   := $(foreach room,$(ROOMS),$(wildcard agent/$(room)/*.c))
ifneq ($(filter control,$(ROOMS)),)
LIB_SRC   += $(filter-out agent/main.c,$(wildcard agent/*.c))
endif
CLI_SRC   := $(filter-out tools/bulkhead/main.c,$(wildcard tools/bulkhead/*.c))
TLIB_SRC  := $(wildcard selftests/lib/*.c)
UNIT_SRC  := $(wildcard selftests/unit/*.c)
ROOT_SRC  := $(foreach dir,datapath model net fault bench helpers,$(wildcard selftests/$(dir)/*.c))
FUZZ_SRC  := $(wildcard selftests/fuzz/*.c)
INJECT_SRC := $(wildcard selftests/fault/inject/*.c)
ALLOC_SRC := $(wildcard selftests/fault/alloc/*.c)
MAIN_SRC  := $(wildcard agent/main.c tools/bulkhead/main.c)
ALL_SRC   := $(LIB_SRC) $(CLI_SRC) $(MAIN_SRC) $(TLIB_SRC) $(UNIT_SRC) $(ROOT_SRC) $(FUZZ_SRC) $(INJECT_SRC) $(ALLOC_SRC)

BPF_OBJ   := $(BPF_SRC:%.c=$(BUILD)/%.o)
SKEL      := $(if $(BPF_SRC),$(BUILD)/bulkhead.skel.h)
LIB       := $(BUILD)/libbulkhead.a
CLI_LIB   := $(BUILD)/libcli.a
TLIB      := $(BUILD)/libtest.a
PROGRAMS  := $(if $(wildcard agent/main.c),$(BUILD)/bulkheadd) \
	     $(if $(wildcard tools/bulkhead/main.c),$(BUILD)/bulkhead)
UNIT_BIN  := $(UNIT_SRC:selftests/%.c=$(BUILD)/test/%)
ROOT_BIN  := $(ROOT_SRC:selftests/%.c=$(BUILD)/test/%)
INJECT    := $(if $(INJECT_SRC),$(BUILD)/test/inject) $(if $(ALLOC_SRC),$(BUILD)/test/alloc.so)
REPLAY    := $(FUZZ_SRC:selftests/%.c=$(BUILD)/test/%)
FUZZERS   := $(FUZZ_SRC:selftests/fuzz/%.c=$(BUILD)/fuzz/%)
MAN       := $(patsubst tools/man/%.scd,$(BUILD)/man/%,$(wildcard tools/man/*.scd))

# --- flags -------------------------------------------------------------------------------------

PACKAGES := libbpf libelf zlib libfyaml jansson libsystemd libcrypto libnl-3.0 libnl-route-3.0 \
	    smartcols libcap

# Asked once and late: tools/deps.sh may have to install pkg-config first.
once = $(eval $(1) := $$(shell $(2)))$($(1))
PKG_CFLAGS = $(call once,PKG_CFLAGS,$(PKG_CONFIG) --cflags $(PACKAGES))
PKG_LIBS   = $(call once,PKG_LIBS,$(PKG_CONFIG) --libs $(PACKAGES))
MULTIARCH  = $(call once,MULTIARCH,$(CC) -print-multiarch)

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wformat=2 -Werror
BASE_CFLAGS = -std=gnu17 -g $(WARN) -D_GNU_SOURCE -DBH_VERSION='"$(VERSION)"' \
	      -I$(BUILD) -Iinclude $(PKG_CFLAGS) $(if $(BREAK),-DBH_BREAK) $(if $(ABI),-DBH_ABI=$(ABI))
HARDEN := -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE
LDHARDEN := -pie -Wl,-z,relro,-z,now -Wl,--as-needed
SAN := -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined

CFLAGS ?= -O2
ALL_CFLAGS = $(BASE_CFLAGS) $(CFLAGS) $(HARDEN)
SAN_CFLAGS = $(BASE_CFLAGS) $(SAN)
PROTO := -Wmissing-prototypes
TEST_INC := -Iselftests/lib -Iselftests

BPF_CFLAGS = -target bpf -mcpu=v3 -O2 -g -Wall -Wextra -Wno-unused-parameter -Werror \
	     -fno-strict-aliasing -Iinclude -Ibpf $(if $(MULTIARCH),-isystem /usr/include/$(MULTIARCH)) \
	     $(if $(BREAK),-DBH_BREAK) $(if $(ABI),-DBH_ABI=$(ABI))

# --- what to make ------------------------------------------------------------------------------

.PHONY: all programs man tests syntax check soak demo bench fuzz mutants install deb rpm-spec clean deps lint format help FORCE
all: programs man
programs: $(PROGRAMS)
man: $(MAN)
tests: $(UNIT_BIN) $(ROOT_BIN) $(REPLAY) $(FUZZERS) $(INJECT)

help:
	@echo 'all      the agent, the command line and the man pages, in $(BUILD)/'
	@echo 'check    build all of it with gcc and clang and run every test (root runs more of them)'
	@echo 'check-X  one tier: unit datapath model net e2e promises fault systemd vm'
	@echo 'soak     SOAK=$(SOAK) random cases against the reference model (root)'
	@echo 'demo     two hosts in network namespaces, real services, under a minute (root)'
	@echo 'bench    what a packet, a rule, a connection and "status" cost here, as JSON in $(BUILD)/bench/ (root)'
	@echo 'fuzz     each fuzz target for T=$(T) seconds'
	@echo 'mutants  the test of the tests: each branch flipped, each planted bug (root; an hour)'
	@echo 'install  into DESTDIR=$(DESTDIR) PREFIX=$(PREFIX)'
	@echo 'deb      a Debian package of this tree, in $(BUILD)/deb/'
	@echo 'rpm-spec a spec file, in $(BUILD)/rpm/'
	@echo 'deps     install what the build needs (Debian)'
	@echo 'lint     clang-tidy and shellcheck'
	@echo 'format   clang-format in place'
	@echo 'clean    remove $(BUILD)/'

$(BUILD)/.deps: tools/deps.sh
	$(Q)mkdir -p $(@D)
	$(Q)tools/deps.sh build
	$(Q)touch $@

deps:
	$(Q)tools/deps.sh build demo

# A changed list of sources or flags must rebuild what was made with the old one.
define remember
$(BUILD)/$(1): FORCE | $(BUILD)/.deps
	$$(Q)printf '%s\n' '$(subst ','"'"',$(2))' | cmp -s - $$@ || \
		printf '%s\n' '$(subst ','"'"',$(2))' > $$@
endef
$(eval $(call remember,.sources,$(LIB_SRC) $(CLI_SRC) $(TLIB_SRC) $(BPF_SRC)))
$(eval $(call remember,.flags,$(VERSION) $(BREAK) $(ABI) $(CC) $(CFLAGS) $(WARN) $(SAN) $(HARDEN)))

# --- the kernel's side -------------------------------------------------------------------------

$(BUILD)/bpf/%.bpf.o: bpf/%.bpf.c | $(BUILD)/.deps
	$(call say,BPF,$@)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/bulkhead.bpf.o: $(BPF_OBJ) $(BUILD)/.sources
	$(call say,GENOBJ,$@)
	$(Q)$(BPFTOOL) gen object $@ $(BPF_OBJ)

$(BUILD)/bulkhead.skel.h: $(BUILD)/bulkhead.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name bulkhead > $@

# --- objects: obj/ is what ships, san/ is the same under ASan and UBSan ------------------------

$(BUILD)/obj/%.o: %.c $(BUILD)/.flags | $(BUILD)/.deps
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(if $(filter selftests/%,$<),$(TEST_INC),$(PROTO)) -MMD -MP -c $< -o $@

$(BUILD)/san/%.o: %.c $(BUILD)/.flags | $(BUILD)/.deps
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(SAN_CFLAGS) $(if $(filter selftests/%,$<),$(TEST_INC),$(PROTO)) -MMD -MP -c $< -o $@

$(BUILD)/clang/%.ok: %.c $(BUILD)/.flags | $(BUILD)/.deps
	$(call say,CLANG,$@)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BASE_CFLAGS) $(CFLAGS) $(if $(filter selftests/%,$<),$(TEST_INC),$(PROTO)) \
		-MMD -MP -MF $(@:.ok=.d) -MT $@ -fsyntax-only $<
	$(Q)touch $@

$(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard agent/kern/*.c)): | $(SKEL)
$(patsubst %.c,$(BUILD)/san/%.o,$(wildcard agent/kern/*.c)): | $(SKEL)
$(patsubst %.c,$(BUILD)/clang/%.ok,$(wildcard agent/kern/*.c)): | $(SKEL)
$(patsubst %.c,$(BUILD)/fuzz/obj/%.o,$(wildcard agent/kern/*.c)): | $(SKEL)
$(patsubst %.c,$(BUILD)/obj/%.o,$(foreach dir,datapath model fault bench,$(wildcard selftests/$(dir)/*.c))): | $(SKEL)
$(patsubst %.c,$(BUILD)/clang/%.ok,$(foreach dir,datapath model fault bench,$(wildcard selftests/$(dir)/*.c))): | $(SKEL)

define archive
$(BUILD)/$(1): $(patsubst %.c,$(BUILD)/$(2)/%.o,$(3)) $(BUILD)/.sources
	$$(call say,AR,$$@)
	@mkdir -p $$(@D)
	$$(Q)rm -f $$@ && ar rcs $$@ $(patsubst %.c,$(BUILD)/$(2)/%.o,$(3))
endef
$(eval $(call archive,libbulkhead.a,obj,$(LIB_SRC)))
$(eval $(call archive,libcli.a,obj,$(CLI_SRC)))
$(eval $(call archive,libtest.a,obj,$(TLIB_SRC)))
$(eval $(call archive,san/libbulkhead.a,san,$(LIB_SRC)))
$(eval $(call archive,san/libcli.a,san,$(CLI_SRC)))
$(eval $(call archive,san/libtest.a,san,$(TLIB_SRC)))
$(eval $(call archive,fuzz/libbulkhead.a,fuzz/obj,$(LIB_SRC)))

$(BUILD)/bulkheadd: $(BUILD)/obj/agent/main.o $(LIB)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDHARDEN) $(LDFLAGS) $^ $(PKG_LIBS) -o $@

$(BUILD)/bulkhead: $(BUILD)/obj/tools/bulkhead/main.o $(CLI_LIB) $(LIB)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDHARDEN) $(LDFLAGS) $^ $(PKG_LIBS) -o $@

# --- tests -------------------------------------------------------------------------------------

SAN_LIBS := $(BUILD)/san/libtest.a $(BUILD)/san/libcli.a $(BUILD)/san/libbulkhead.a

$(BUILD)/test/unit/%: $(BUILD)/san/selftests/unit/%.o $(SAN_LIBS)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(SAN) $^ -lcmocka $(PKG_LIBS) -o $@

$(BUILD)/test/fuzz/%: $(BUILD)/san/selftests/fuzz/%.o \
		$(BUILD)/san/selftests/fuzz/replay/replay.o $(SAN_LIBS)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(SAN) $^ $(PKG_LIBS) -o $@

# Is preloaded: what calls it must find it, and it must not be called for what it does itself.
$(BUILD)/test/alloc.so: $(ALLOC_SRC) $(BUILD)/.flags
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(BASE_CFLAGS) $(CFLAGS) -fPIC -fno-builtin -shared $(ALLOC_SRC) -o $@

# Lets system calls of the agent fail; see there.
$(BUILD)/test/inject: $(INJECT_SRC:%.c=$(BUILD)/obj/%.o)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDHARDEN) $(LDFLAGS) $^ -o $@

# What is left: tests with the real kernel, built the way the agent is.
$(BUILD)/test/%: $(BUILD)/obj/selftests/%.o $(TLIB) $(LIB)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDHARDEN) $(LDFLAGS) $^ -lcmocka $(PKG_LIBS) -o $@

FUZZ_CFLAGS = $(BASE_CFLAGS) $(SAN) -fsanitize=fuzzer-no-link

$(BUILD)/fuzz/obj/%.o: %.c $(BUILD)/.flags | $(BUILD)/.deps
	$(call say,FUZZCC,$@)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(FUZZ_CFLAGS) $(if $(filter selftests/%,$<),$(TEST_INC)) -MMD -MP -c $< -o $@

$(FUZZERS): $(BUILD)/fuzz/%: $(BUILD)/fuzz/obj/selftests/fuzz/%.o $(BUILD)/fuzz/libbulkhead.a
	$(call say,LINK,$@)
	$(Q)$(CLANG) $(SAN) -fsanitize=fuzzer $^ $(PKG_LIBS) -o $@

syntax: $(ALL_SRC:%.c=$(BUILD)/clang/%.ok)

check: all tests syntax
	$(Q)BUILD=$(BUILD) selftests/run $(TESTS)

# One tier alone: check-unit, check-datapath, check-model, check-net, check-fault, check-vm ...
check-%: all tests
	$(Q)BUILD=$(BUILD) TIERS=$* selftests/run $(TESTS)

# The model against the programs for as long as one likes: SOAK cases, SEED=n draws others.
SOAK ?= 500000000
soak: all tests
	$(Q)BH_SEED=$${SEED:-$$(date +%s)} BH_CASES=$(SOAK) $(BUILD)/test/model/testrun
	$(Q)BH_SEED=$${SEED:-$$(date +%s)} BH_CASES=$$(($(SOAK) / 250)) $(BUILD)/test/model/sockets

demo: all
	$(Q)tools/deps.sh demo
	$(Q)BUILD=$(BUILD) tools/demo.sh

bench: all $(filter $(BUILD)/test/bench/% $(BUILD)/test/helpers/%,$(ROOT_BIN))
	@mkdir -p $(BUILD)/bench
	$(Q)set -e; for b in $(filter $(BUILD)/test/bench/%,$(ROOT_BIN)); do \
		$$b -o $(BUILD)/bench/$$(basename $$b).json; done
	$(Q)set -e; for b in selftests/bench/*.sh; do \
		BUILD=$(BUILD) bash $$b -o $(BUILD)/bench/$$(basename $$b .sh).json; done

# Finds are kept in the build directory, apart from the seeds that the tree keeps.
fuzz: $(FUZZERS)
	$(Q)BUILD=$(BUILD) T=$(T) KEEP=1 selftests/fuzz/run.sh

mutants: all tests
	$(Q)BUILD=$(BUILD) selftests/mutants/run

lint: $(SKEL)
	$(Q)clang-tidy --quiet $(LIB_SRC) $(CLI_SRC) $(MAIN_SRC) -- $(BASE_CFLAGS)
	$(Q)shellcheck -x $$(grep -lE '^#!.*(bash|/sh)' -r tools selftests .ci)

format:
	$(Q)clang-format -i $(ALL_SRC) $(BPF_SRC) $$(find agent bpf include tools selftests -name '*.h')

$(BUILD)/man/%: tools/man/%.scd | $(BUILD)/.deps
	$(call say,MAN,$@)
	@mkdir -p $(@D)
	$(Q)scdoc < $< > $@

SHARE = $(DESTDIR)$(PREFIX)/share

install: all
	install -Dm755 $(BUILD)/bulkheadd $(DESTDIR)$(SBINDIR)/bulkheadd
	install -Dm755 $(BUILD)/bulkhead $(DESTDIR)$(PREFIX)/bin/bulkhead
	install -Dm644 -t $(DESTDIR)$(UNITDIR) tools/systemd/*.service tools/systemd/*.socket
	install -Dm644 tools/systemd/bulkhead.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/bulkhead.conf
	install -Dm644 tools/systemd/bulkhead.tmpfiles $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/bulkhead.conf
	install -Dm644 tools/systemd/bulkhead.catalog $(DESTDIR)$(PREFIX)/lib/systemd/catalog/bulkhead.catalog
	test -e $(DESTDIR)$(sysconfdir)/bulkhead/bulkhead.yaml || install -Dm644 \
		tools/systemd/bulkhead.yaml $(DESTDIR)$(sysconfdir)/bulkhead/bulkhead.yaml
	set -e; for m in $(MAN); do s=$${m##*.}; \
		install -Dm644 $$m $(SHARE)/man/man$$s/$${m##*/}; done
	install -Dm644 tools/completion/bash $(SHARE)/bash-completion/completions/bulkhead
	install -Dm644 tools/completion/zsh $(DESTDIR)$(ZSHDIR)/_bulkhead
	install -Dm644 tools/completion/fish $(SHARE)/fish/vendor_completions.d/bulkhead.fish
	install -Dm644 -t $(SHARE)/bulkhead tools/schema/*.json
	install -Dm644 -t $(SHARE)/bulkhead/ipfix tools/ipfix/*
	install -Dm644 -t $(SHARE)/bulkhead/prometheus tools/prometheus/*.yml
	install -Dm644 -t $(SHARE)/doc/bulkhead README.md docs/*.md
	install -Dm644 -t $(SHARE)/doc/bulkhead/examples docs/examples/*.yaml

# --- packages ----------------------------------------------------------------------------------

deb: all
	$(if $(BREAK),$(error BREAK=1 is for tests, not for packages))
	$(Q)tools/deps.sh package
	$(call say,DEB,$(BUILD)/deb)
	$(Q)BUILD=$(BUILD) BH_VERSION='$(VERSION)' BH_ABI='$(ABI)' BH_CC='$(CC)' BH_CFLAGS='$(CFLAGS)' \
		tools/packaging/deb.sh

rpm-spec:
	$(call say,SPEC,$(BUILD)/rpm/bulkhead.spec)
	@mkdir -p $(BUILD)/rpm
	$(Q)BUILD=$(BUILD) BH_VERSION='$(VERSION)' tools/packaging/rpm_spec.sh

clean:
	rm -rf $(BUILD)

FORCE:

ifeq ($(filter clean help format deps rpm-spec,$(MAKECMDGOALS)),)
-include $(shell find $(BUILD) -type f -name '*.d' 2>/dev/null)
endif
