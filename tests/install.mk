# install.mk - Debian packages that the build and the tests need, each with a file that it brings: a
# package whose file is not there is missing.
#
#     make deps           installs what is missing of `needed`
#     make deps TOOLS=1   and of `tools`, which lint, fuzz, coverage and .ci/run want
#
# check and demo call it where something is missing, and say so.

needed = gcc:/usr/bin/gcc libc6-dev:/usr/include/stdio.h pkg-config:/usr/bin/pkg-config \
    perl:/usr/bin/prove jq:/usr/bin/jq libopenblas0-pthread:/usr/share/doc/libopenblas0-pthread libcjson-dev:/usr/include/cjson/cJSON.h \
    libstb-dev:/usr/include/stb/stb_image.h libcbor-dev:/usr/include/cbor.h \
    libutf8proc-dev:/usr/include/utf8proc.h libxxhash-dev:/usr/include/xxhash.h \
    zlib1g-dev:/usr/include/zlib.h libjpeg-dev:/usr/include/jpeglib.h \
    libwebp-dev:/usr/include/webp/decode.h libheif-dev:/usr/share/doc/libheif-dev \
    libtiff-dev:/usr/share/doc/libtiff-dev libpcre2-dev:/usr/include/pcre2.h \
    libzstd-dev:/usr/include/zstd.h groff:/usr/bin/groff \
    parallel:/usr/bin/parallel zsh:/usr/bin/zsh fish:/usr/bin/fish
tools  = clang-14:/usr/bin/clang-14 clang-16:/usr/bin/clang-16 clang-format:/usr/bin/clang-format \
    mandoc:/usr/bin/mandoc gcovr:/usr/bin/gcovr valgrind:/usr/bin/valgrind

missing := $(foreach n,$(needed) $(if $(TOOLS),$(tools)),$(if $(wildcard $(lastword $(subst :, ,$(n)))),,$(firstword $(subst :, ,$(n)))))

deps:
ifeq ($(strip $(missing)),)
	@echo 'deps: nothing is missing'
else
	@command -v apt-get >/dev/null || { echo 'deps: no apt-get here; install these by hand: $(missing)' >&2; exit 1; }
	$(if $(filter 0,$(shell id -u)),,sudo )apt-get update -qq
	$(if $(filter 0,$(shell id -u)),,sudo )env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(missing)
endif

ifneq ($(strip $(missing)),)
ifneq ($(filter check check-large demo,$(MAKECMDGOALS)),)
$(info missing packages: $(missing); make deps installs them)
ifneq ($(lastword $(shell $(MAKE) --no-print-directory deps >&2 && echo installed)),installed)
$(error could not install: $(missing))
endif
PKG := $(shell command -v pkg-config 2>/dev/null)
found := $(if $(MINIMAL),,$(foreach p,$(optional),$(if $(PKG),$(shell pkg-config --exists $(p) && echo $(p)))))
PKGFLAGS := $(shell pkg-config --cflags $(packages) $(found) 2>/dev/null)
PKGLIBS  := $(shell pkg-config --libs $(packages) $(found) 2>/dev/null)
endif
endif
