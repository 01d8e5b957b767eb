# Debian packages that the build and the tests need, and how check and demo get them: a package
# is looked for by a file that it brings, and asked of apt only if that file is not there.

needed = gcc:/usr/bin/gcc libc6-dev:/usr/include/stdio.h pkg-config:/usr/bin/pkg-config \
    perl:/usr/bin/prove jq:/usr/bin/jq libopenblas0-pthread:/usr/share/doc/libopenblas0-pthread libcjson-dev:/usr/include/cjson/cJSON.h \
    libstb-dev:/usr/include/stb/stb_image.h libcbor-dev:/usr/include/cbor.h \
    libutf8proc-dev:/usr/include/utf8proc.h libxxhash-dev:/usr/include/xxhash.h \
    zlib1g-dev:/usr/include/zlib.h libjpeg-dev:/usr/include/jpeglib.h \
    libwebp-dev:/usr/include/webp/decode.h libheif-dev:/usr/share/doc/libheif-dev \
    libtiff-dev:/usr/share/doc/libtiff-dev groff:/usr/bin/groff \
    parallel:/usr/bin/parallel

missing := $(foreach n,$(needed),$(if $(wildcard $(lastword $(subst :, ,$(n)))),,$(firstword $(subst :, ,$(n)))))

ifneq ($(strip $(missing)),)
ifneq ($(filter check check-large demo,$(MAKECMDGOALS)),)
sudo := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
$(info installing: $(missing))
installed := $(shell { $(sudo) apt-get update -qq && \
    DEBIAN_FRONTEND=noninteractive $(sudo) apt-get install -y -qq --no-install-recommends $(missing); } >&2 && echo yes)
ifneq ($(installed),yes)
$(error could not install: $(missing))
endif
PKG := $(shell command -v pkg-config 2>/dev/null)
found := $(if $(MINIMAL),,$(foreach p,$(optional),$(if $(PKG),$(shell pkg-config --exists $(p) && echo $(p)))))
PKGFLAGS := $(shell pkg-config --cflags $(packages) $(found) 2>/dev/null)
PKGLIBS  := $(shell pkg-config --libs $(packages) $(found) 2>/dev/null)
endif
endif
