# Ferry, for people. Kbuild and Kconfig are for the kernel.
#
# make help lists the targets; V=1 makes each target loud. All output goes to
# build/, and kernels go to the cache (vm/lib.sh).

SHELL = /bin/bash
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
DESTDIR ?=
CC ?= gcc
OBJCOPY ?= objcopy
CFLAGS ?= -O2 -g
CPPFLAGS ?=
Q = $(if $(V),,@)
B = build
STEP = vm/step

# The soname changes with each release that breaks linked programs.
VERSION := $(shell awk '/^.define FERRY_VERSION_M/ { v = v dot $$3; dot = "." } END { print v }' \
	userlib/include/ferry.h)
SONAME = libferry.so.1

.DEFAULT_GOAL = help
.DELETE_ON_ERROR:
.PHONY: help run test test-one test-full bench bench-quick mutants hmm-tests kernel module \
	userlib install check shell clean deps tests bench-programs fuzz fuzz-ioctl fuzz-program valid \
	FORCE

help:	## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1 /p' Makefile | while read -r name what; do \
		printf '  make %-11s %s\n' "$$name" "$$what"; done

# What runs in the guest ------------------------------------------------------

FILE ?=
kernel = $(or $(KERNEL),lean)
# To look at Ferry, nothing but the module is compiled.
run shell: kernel = $(or $(KERNEL),debian-7.3)
run_tools = $(if $(filter debian-% image:%,$(kernel)),run,kernel)
guest_options = --kernel $(kernel) --cpus $(or $(CPUS),2)

# Before any installation or build.
run test test-one test-full bench bench-quick mutants hmm-tests kernel shell check \
	fuzz fuzz-ioctl: | valid

valid:
	@KERNEL='$(KERNEL)' CPUS='$(CPUS)' THP='$(THP)' BACKEND='$(BACKEND)' FILE='$(FILE)' \
		MODULE='$(MODULE)' vm/valid KERNEL KERNEL_SRC KERNEL_MODULES KERNEL_HEADERS CPUS THP BACKEND FILE MODULE

run:	## a file to the device and back, in a guest; FILE=path KERNEL=lean CPUS=4
	@$(STEP) 1/4 'tools' -- vm/deps $(run_tools)
	@$(STEP) 2/4 'kernel $(kernel)' -- vm/kernel $(kernel)
	@$(STEP) 3/4 'library and command' -- $(MAKE) userlib
	@vm/demo $(guest_options) -- $(if $(FILE),'$(FILE)')

test:	## all tests, two steps at a time; JOBS=1
	@tests/run

test-one:	## SELFTEST=thp ARGS='-r thp.once', KUNIT=ferry_stats or HMM=migrate; KERNEL= CPUS= PARAMS=
	@KERNEL='$(KERNEL)' CPUS='$(CPUS)' THP='$(THP)' BACKEND='$(BACKEND)' MODULE='$(MODULE)' \
		PARAMS='$(PARAMS)' tests/one $(if $(filter-out 1,$(words $(SELFTEST) $(KUNIT) $(HMM))),which) \
		$(if $(SELFTEST),selftest '$(SELFTEST)' $(ARGS)) \
		$(if $(KUNIT),kunit '$(KUNIT)') $(if $(HMM),hmm '$(HMM)')

test-full:	## hmm-tests on every kernel, 1, 2 and 4 CPUs, THP never and always; races on debug
	@tests/run-full

hmm-tests:	## the kernel's own tests, unmodified; THP=always CPUS=4 KERNEL=debug BACKEND=core
	@$(STEP) 1/2 'tools' -- vm/deps
	@$(STEP) 2/2 'kernel $(kernel)' -- vm/kernel $(kernel)
	@THP='$(THP)' CPUS='$(CPUS)' KERNEL='$(KERNEL)' BACKEND='$(BACKEND)' tests/hmm/run $(or $(MODULE),ferry)

bench:	## measure own, core, test_hmm, move_pages(2), memcpy; writes docs/bench.md; KERNEL=lean-7.3
	@KERNEL='$(KERNEL)' tests/bench/run full

bench-quick:	## the figures with targets, in less than 5 minutes; writes build/bench
	@KERNEL='$(KERNEL)' tests/bench/run quick

mutants:	## break Ferry in known ways; a test must fail for each
	@tests/mutants/run

fuzz:	## random programs with and without a device; SECONDS=60 SEED=1 KERNEL=debug
	@$(STEP) 1/2 'tools' -- vm/deps
	@$(STEP) 2/2 'kernel $(kernel)' -- vm/kernel $(kernel)
	@tests/fuzz/run --kernel '$(kernel)' '$(or $(SECONDS),60)' '$(or $(SEED),1)'

fuzz-ioctl:	## random ioctls, values at boundaries; SECONDS=60 SEED=1 KERNEL=debug
	@$(STEP) 1/2 'tools' -- vm/deps
	@$(STEP) 2/2 'kernel $(kernel)' -- vm/kernel $(kernel)
	@tests/fuzz/run-ioctl --kernel '$(kernel)' '$(or $(SECONDS),60)' '$(or $(SEED),1)'

shell:	## a shell in the guest, with the module loaded; KERNEL=lean CPUS=4
	@$(STEP) 1/3 'tools' -- vm/deps $(run_tools)
	@$(STEP) 2/3 'kernel $(kernel)' -- vm/kernel $(kernel)
	@$(STEP) 3/3 'library and command' -- $(MAKE) userlib
	@vm/guest $(guest_options) --timeout 0 --tty -- tests/with-ferry --coherent 256M vm/shell

# Building --------------------------------------------------------------------

deps:	## install the missing tools as root; else print the line to paste
	@vm/deps

kernel:	## build and cache the guest's kernel; KERNEL=debug for another
	@vm/deps
	@vm/kernel $(kernel)

module:	## ferry.ko for KERNELDIR=..., headers or build of a 6.12 or 7.3 kernel; OWN=1 IMAGE=
	@vm/module $(if $(OWN),--own) $(if $(IMAGE),--image '$(IMAGE)') '$(KERNELDIR)'

# A warning of an unknown compiler must not fail the build; make check sets WERROR=1.
warnings = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	$(if $(WERROR),-Werror)
deps_of = $(shell pkg-config --$(1) $(2))
includes = -Iuserlib/include -Iuapi
libsrc = $(wildcard userlib/src/*.c)
libobj = $(libsrc:userlib/src/%.c=$(B)/userlib/%.o)
toolsrc = $(wildcard tools/*.c)
toolobj = $(toolsrc:tools/%.c=$(B)/tools/%.o)
headers = $(wildcard driver/front/dmirror_abi.h userlib/*/*.h tools/*.h uapi/drm/*.h tests/selftests/*.h)

userlib: $(B)/libferry.so $(B)/libferry.a $(B)/ferryctl	## libferry and ferryctl

$(B)/userlib/%.o: userlib/src/%.c $(headers)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(warnings) -fPIC -fvisibility=hidden $(includes) \
		$(call deps_of,cflags,libdrm) -c -o $@ $<

$(B)/$(SONAME): $(libobj) userlib/libferry.map
	$(Q)$(CC) $(CFLAGS) -shared -Wl,-soname,$(SONAME) -Wl,--no-undefined \
		-Wl,--version-script=userlib/libferry.map -o $@ $(libobj) \
		$(call deps_of,libs,libdrm) $(LDFLAGS)

$(B)/libferry.so: $(B)/$(SONAME)
	$(Q)ln -sf $(SONAME) $@

# A single object, in which only the API is global.
$(B)/libferry.a: $(libobj)
	$(Q)rm -f $@
	$(Q)$(CC) $(CFLAGS) $(if $(findstring -flto,$(CFLAGS)),-flinker-output=nolto-rel) \
		-r -nostdlib -o $(B)/userlib.o $^
	$(Q)$(OBJCOPY) --localize-hidden $(B)/userlib.o
	$(Q)$(AR) rcs $@ $(B)/userlib.o

$(B)/tools/%.o: tools/%.c $(headers)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(warnings) -D_GNU_SOURCE $(includes) \
		$(call deps_of,cflags,libdrm smartcols zlib) -c -o $@ $<

# Linked statically with libferry, to run from the build directory.
$(B)/ferryctl: $(toolobj) $(B)/libferry.a
	$(Q)$(CC) $(CFLAGS) -o $@ $^ $(call deps_of,libs,libdrm smartcols zlib) $(LDFLAGS)

# The harness is the kernel's, from the source package.
selftests = $(shell vm/kernel --path lean)/../tree/tools/testing/selftests
harness_warnings = -Wno-unused-parameter -Wno-missing-prototypes -Wno-sign-compare
testsrc = $(wildcard tests/selftests/*.c)
tests: $(testsrc:tests/selftests/%.c=$(B)/tests/%) $(B)/tests/hold \
	$(B)/tests/library_sizes_old $(B)/tests/library_sizes_new	## the selftests' programs

$(B)/tests/%: tests/selftests/%.c $(headers) $(B)/libferry.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(warnings) $(harness_warnings) -D_GNU_SOURCE $(includes) \
		-isystem $(selftests) -isystem $(selftests)/../../.. \
		$(call deps_of,cflags,libdrm zlib numa) -o $@ $< \
		$(B)/libferry.a $(call deps_of,libs,libdrm zlib numa) -lpthread

# A program built with shorter structs and a program built with longer structs, both on
# the shared library.
$(B)/old/drm/ferry_drm.h: uapi/drm/ferry_drm.h
	@mkdir -p $(@D)
	$(Q)sed '/__u64 rsvd\[/d' $< >$@

$(B)/new/drm/ferry_drm.h: uapi/drm/ferry_drm.h
	@mkdir -p $(@D)
	$(Q)sed '/__u64 rsvd\[/s/$$/ __u64 later[4];/' $< >$@

$(B)/tests/library_sizes_%: tests/selftests/library_sizes.c $(B)/%/drm/ferry_drm.h $(headers) \
		$(B)/libferry.so
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(warnings) $(harness_warnings) -D_GNU_SOURCE -I$(B)/$* $(includes) \
		-isystem $(selftests) -isystem $(selftests)/../../.. $(call deps_of,cflags,libdrm) \
		$(if $(filter new,$*),-DLATER) -o $@ $< -L$(B) -lferry -Wl,-rpath,'$$ORIGIN/..'

# The kernel's own program, unmodified. The program includes <lib/...> and <mm/...>.
hmm = $(selftests)/mm/hmm-tests.c
$(B)/tests/hmm-tests: $(wildcard $(hmm))
	@mkdir -p $(@D)
	@test -f $(hmm) || { echo "$(hmm) is missing: run vm/kernel lean first"; exit 1; }
	$(Q)$(CC) -O2 -static -Wno-unused-result -I$(selftests)/../../.. -o $@ $(hmm) -lpthread

# The same of 7.3, with the helper files that 7.3's program has.
linux73 = $(B)/linux-7.3
selftests73 = $(linux73)/tools/testing/selftests
$(linux73)/.from: FORCE
	@tests/hmm/source

$(B)/tests/hmm-tests-7.3: $(linux73)/.from
	@mkdir -p $(@D) $(linux73)/uapi/linux
	$(Q)cp $(linux73)/tools/include/uapi/linux/fs.h $(linux73)/uapi/linux/
	$(Q)$(CC) -O2 -static -Wno-unused-result -isystem $(linux73)/uapi -I$(linux73) \
		-I$(selftests73) -I$(selftests73)/mm -o $@ \
		$(patsubst %,$(selftests73)/mm/%.c,hmm-tests hugepage_settings vm_util) -lpthread

$(B)/tests/hold: tests/programs/hold.c $(headers) $(B)/libferry.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(warnings) -D_GNU_SOURCE $(includes) \
		$(call deps_of,cflags,libdrm) -o $@ $< $(B)/libferry.a \
		$(call deps_of,libs,libdrm)

# The fuzz is one program, and contains the text that the fuzz prints as C.
ioctlsrc = $(wildcard tests/fuzz/ioctl*.c)
fuzzsrc = $(filter-out $(ioctlsrc),$(wildcard tests/fuzz/*.c))
fuzz-program: $(B)/fuzz/fuzz $(B)/fuzz/ioctl

$(B)/fuzz/%.o: tests/fuzz/%.c $(wildcard tests/fuzz/*.h) uapi/drm/ferry_drm.h
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(warnings) -D_GNU_SOURCE -Iuapi $(call deps_of,cflags,libdrm) \
		-c -o $@ $<

$(B)/fuzz/fuzz: $(fuzzsrc:tests/fuzz/%.c=$(B)/fuzz/%.o)
	$(Q)$(CC) $(CFLAGS) -static -o $@ $^ -lpthread

$(B)/fuzz/ioctl: $(ioctlsrc:tests/fuzz/%.c=$(B)/fuzz/%.o) $(B)/fuzz/kernel_log.o
	$(Q)$(CC) $(CFLAGS) -static -o $@ $^ -lpthread

# The benchmark's programs; the ABI of test_hmm is from the kernel's tree.
benchlib = $(patsubst %,$(B)/bench/bin/%.o,bench memory mover)
benchsrc = $(filter-out $(benchlib:$(B)/bench/bin/%.o=tests/bench/%.c),$(wildcard tests/bench/*.c))
bench-programs: $(benchsrc:tests/bench/%.c=$(B)/bench/bin/%)

$(B)/bench/bin/%.o: tests/bench/%.c tests/bench/bench.h $(headers)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(warnings) -D_GNU_SOURCE $(includes) \
		-isystem $(selftests)/../../.. $(call deps_of,cflags,libdrm numa) -c -o $@ $<

$(B)/bench/bin/%: $(B)/bench/bin/%.o $(benchlib) $(B)/libferry.a
	$(Q)$(CC) $(CFLAGS) -o $@ $^ $(call deps_of,libs,libdrm numa) -lpthread

install: userlib	## libferry and ferryctl; DESTDIR= PREFIX= LIBDIR=
	$(Q)install -d $(DESTDIR)$(PREFIX)/{bin,include/drm} $(DESTDIR)$(LIBDIR)/pkgconfig
	$(Q)install -m 755 $(B)/ferryctl $(DESTDIR)$(PREFIX)/bin/
	$(Q)install -m 755 $(B)/$(SONAME) $(DESTDIR)$(LIBDIR)/
	$(Q)ln -sf $(SONAME) $(DESTDIR)$(LIBDIR)/libferry.so
	$(Q)install -m 644 $(B)/libferry.a $(DESTDIR)$(LIBDIR)/
	$(Q)install -m 644 userlib/include/ferry.h $(DESTDIR)$(PREFIX)/include/
	$(Q)install -m 644 uapi/drm/ferry_drm.h $(DESTDIR)$(PREFIX)/include/drm/
	$(Q)sed -e 's|@PREFIX@|$(PREFIX)|; s|@VERSION@|$(VERSION)|' \
		-e 's|@LIBDIR@|$(LIBDIR:$(PREFIX)/%=$${prefix}/%)|' \
		-e 's|@LIBDRM@|$(call deps_of,libs,libdrm)|' userlib/libferry.pc.in \
		>$(DESTDIR)$(LIBDIR)/pkgconfig/libferry.pc

check:	## sparse, checkpatch --strict, shellcheck, W=1 also for arm64, ppc64le, small kernels
	@$(STEP) 1/2 'tools' -- vm/deps check
	@$(STEP) 2/2 'kernel lean' -- vm/kernel lean
	@tests/check

clean:	## remove build/ (the cache stays: vm/lib.sh says where it is)
	$(Q)rm -rf $(B)
