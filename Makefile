# vlm - vision-language Unix filters
#
#   make            the library and the commands, in build/
#   make check      every test (SAN=1: under address and undefined-behaviour sanitizers)
#   make demo       the main job on real pictures
#   make bench      speed, beside the peers that are installed
#   make install    with PREFIX and DESTDIR
#
# Sources are found by wildcard: a new file needs no edit here.

PREFIX  = /usr/local
BUILD   = build$(if $(SAN),-san)
FOLDERS = base kernel weights image text draw stream tensor op nn decode checkpoint learn family \
          $(patsubst lib/%/,%,$(sort $(wildcard lib/family/*/))) api train eval cli
VERSION = 0.1.0

CC      = gcc
# nobody asks errno after sqrtf: loops with it fill vectors; clang, unlike gcc -std=c11, fuses a * b + c unless told
OPT     = -O3 -g -fno-math-errno -ffp-contract=off
WARN    = -Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wvla
SANFLAGS = $(if $(SAN),-fsanitize=address$(,)undefined -fno-sanitize-recover=undefined -O1)
,       := ,

packages = libcjson libcbor libutf8proc
optional = libjpeg libwebp libheif libtiff-4
PKG     := $(shell command -v pkg-config 2>/dev/null)
found   := $(if $(MINIMAL),,$(foreach p,$(optional),$(if $(PKG),$(shell pkg-config --exists $(p) && echo $(p)))))
ifneq ($(PKG),)
PKGFLAGS := $(shell pkg-config --cflags $(packages) $(found) 2>/dev/null)
PKGLIBS  := $(shell pkg-config --libs $(packages) $(found) 2>/dev/null)
endif
HAVE     = $(foreach p,$(found),-DHAVE_$(shell echo $(p) | tr a-z- A-Z_))

CFLAGS  += -std=c11 $(OPT) $(WARN) $(SANFLAGS)
CPPFLAGS += -Ilib -I. -D_POSIX_C_SOURCE=200809L -DVERSION='"$(VERSION)"' -DINSTALLED='"$(PREFIX)"' $(HAVE) $(PKGFLAGS)
LDLIBS  += $(PKGLIBS) -lz -ldl -lpthread -lm
LDFLAGS += $(SANFLAGS)

sources  := $(foreach f,$(FOLDERS),$(wildcard lib/$(f)/*.c))
objects  := $(sources:%.c=$(BUILD)/%.o)
commands := $(patsubst cmd/%.c,$(BUILD)/%,$(wildcard cmd/*.c))
units    := $(patsubst %.c,$(BUILD)/%,$(filter-out %/tap.c,$(wildcard tests/unit/*.c tests/golden/*.c)))
fuzzers  := $(patsubst %.c,$(BUILD)/%,$(filter-out %/fuzz.c,$(wildcard tests/fuzz/*.c)))
benches  := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/bench/*.c))

all: $(commands) $(BUILD)/libvlm.a $(BUILD)/share/vlm/models/default

include tests/install.mk

# stb_image shifts signed numbers; addresses stay checked
$(BUILD)/lib/image/jpeg_stb.o: SANFLAGS += $(if $(SAN),-fno-sanitize=undefined)

$(BUILD)/libvlm.a: $(objects)
	rm -f $@ && ar rcs $@ $^

# the built-in model, found from a program's own place, as when it is installed
$(BUILD)/share/vlm/models/default:
	mkdir -p $(@D) && ln -sfn ../../../../lib/share/default $@

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(CPPFLAGS) -MMD -MP -c -o $@ $<

$(commands): $(BUILD)/%: $(BUILD)/cmd/%.o $(BUILD)/libvlm.a
	$(CC) $(LDFLAGS) -o $@ $< $(BUILD)/libvlm.a $(LDLIBS)

$(units): $(BUILD)/%: $(BUILD)/%.o $(BUILD)/tests/unit/tap.o $(BUILD)/libvlm.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(fuzzers): $(BUILD)/%: $(BUILD)/%.o $(BUILD)/tests/fuzz/fuzz.o $(BUILD)/libvlm.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(benches): $(BUILD)/%: $(BUILD)/%.o $(BUILD)/libvlm.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

check: all $(units) $(fuzzers)
	@BUILD=$(BUILD) VERSION=$(VERSION) prove --failures --timer -e 'sh tests/any' $(units) \
	    $(filter-out %/tap.sh,$(wildcard tests/command/*.t tests/fuzz/*.t tests/lint/*.t))

check-large: all
	@BUILD=$(BUILD) prove --failures --timer -e 'sh tests/any' $(wildcard tests/golden/*.large)

bench: all $(benches)
	@BUILD=$(BUILD) sh tests/bench/run

fuzz: $(fuzzers)
	@BUILD=$(BUILD) sh tests/fuzz/run

lint:
	@BUILD=$(BUILD) prove --failures -e 'sh tests/any' $(wildcard tests/lint/*.t tests/lint/*.strict)

demo: all
	@BUILD=$(BUILD) sh tests/demo

pages = $(wildcard man/*.[157])

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib $(DESTDIR)$(PREFIX)/include \
	    $(foreach s,1 5 7,$(DESTDIR)$(PREFIX)/share/man/man$(s)) \
	    $(DESTDIR)$(PREFIX)/share/bash-completion/completions \
	    $(DESTDIR)$(PREFIX)/share/zsh/site-functions \
	    $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d \
	    $(DESTDIR)$(PREFIX)/share/vlm/models/default
	install -m 755 $(commands) $(DESTDIR)$(PREFIX)/bin
	install -m 644 $(BUILD)/libvlm.a $(DESTDIR)$(PREFIX)/lib
	install -m 644 lib/vlm.h $(DESTDIR)$(PREFIX)/include
	install -m 644 lib/share/default/* $(DESTDIR)$(PREFIX)/share/vlm/models/default
	for p in $(pages); do \
	    install -m 644 $$p $(DESTDIR)$(PREFIX)/share/man/man$${p##*.}/; done
	for c in $(notdir $(commands)); do \
	    install -m 644 completions/vlm.bash \
	        $(DESTDIR)$(PREFIX)/share/bash-completion/completions/$$c; \
	    install -m 644 completions/vlm.fish \
	        $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/$$c.fish; done
	install -m 644 completions/_vlm $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_vlm

uninstall:
	for c in $(notdir $(commands)); do \
	    rm -f $(DESTDIR)$(PREFIX)/bin/$$c \
	        $(DESTDIR)$(PREFIX)/share/bash-completion/completions/$$c \
	        $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/$$c.fish; done
	for p in $(notdir $(pages)); do \
	    rm -f $(DESTDIR)$(PREFIX)/share/man/man$${p##*.}/$$p; done
	rm -rf $(DESTDIR)$(PREFIX)/share/vlm/models/default
	rm -f $(DESTDIR)$(PREFIX)/lib/libvlm.a $(DESTDIR)$(PREFIX)/include/vlm.h \
	    $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_vlm

clean:
	rm -rf build build-san

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
.PHONY: all check check-large bench fuzz lint demo install uninstall clean
.SECONDARY:
