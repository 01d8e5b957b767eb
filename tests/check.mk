# check.mk - which tests run, and how: each prints TAP, prove runs them side by side and counts
#
#     make check                                  all
#     make check T=tests/unit/gradient            one, by the name of its file with or without ending
#     make check T="tests/lint tests/command/resume.t"    folders and files
#
# Slow ones come first, so that no processor waits at the end.

slow    := $(wildcard tests/command/vlm-train.t tests/command/resume.t tests/command/invariance.t tests/fuzz/corpus.t)
scripts := $(slow) $(filter-out $(slow),$(wildcard tests/command/*.t tests/fuzz/*.t tests/lint/*.t))
usual   := $(scripts) $(faults) $(units)
special := $(wildcard tests/lint/*.strict tests/*/*.large)

# named NAME: the tests that a word of T means
named    = $(or $(filter $(BUILD)/$(1) $(BUILD)/$(1:.c=) $(1) $(1).t $(1).strict $(1).large,$(usual) $(special)),\
           $(filter $(1)/% $(BUILD)/$(1)/%,$(usual)),$(error no test has the name $(1)))
chosen  := $(if $(T),$(foreach t,$(patsubst %/,%,$(T)),$(call named,$(t:$(BUILD)/%=%))),$(usual))

jobs     = $(shell nproc 2>/dev/null || echo 2)
prove    = BUILD=$(abspath $(BUILD)) VERSION=$(VERSION) CC='$(CC)' prove --failures --comments --timer -j$(jobs) -e 'sh tests/any'

check: $(if $(filter %.t %.strict %.large $(faults),$(chosen)),all) $(if $(filter tests/fuzz/%,$(chosen)),$(fuzzers)) \
       $(filter $(BUILD)/%,$(chosen)) $(BUILD)/share/vlm/models/default $(BUILD)/share/vlm/vocabularies
	@$(prove) $(chosen)

check-large: all $(faults)
	@$(prove) $(or $(if $(T),$(chosen)),$(wildcard tests/*/*.large))

lint: all
	@$(prove) $(wildcard tests/lint/*.t tests/lint/*.strict)

# The newest clang that is there builds libFuzzer's targets, in build-fuzz; else fuzz.c drives them.
clang := $(firstword $(foreach c,clang-16 clang-14 clang,$(if $(shell command -v $(c)),$(c))))
fuzz:
ifneq ($(clang),)
	$(MAKE) FUZZ=1 CC=$(clang) fuzz-targets
	@BUILD=$(abspath build-fuzz) LIBFUZZER=1 sh tests/fuzz/run
else
	$(MAKE) fuzz-targets
	@BUILD=$(abspath $(BUILD)) sh tests/fuzz/run
endif

# what build-fuzz/corpus reached that tests/fuzz/corpus does not
fuzz-corpus:
	@BUILD=$(abspath build-fuzz) LIBFUZZER=1 FUZZ_MERGE=1 sh tests/fuzz/run

fuzz-targets: all $(fuzzers)

coverage:
	$(MAKE) -k COVERAGE=1 everything
	@tests/reach build-coverage
	@sh tests/coverage build-coverage
