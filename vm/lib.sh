# shellcheck shell=bash
# Shared by vm/* and tests/*: the cache, and the messages of the scripts.
#
# The cache, ${XDG_CACHE_HOME:-~/.cache}/ferry, holds
#   package/NAME/          Debian packages that are only read, unpacked (vm/fetch)
#   apt/SUITE/             apt's lists of a newer release of Debian (vm/fetch)
#   source/VERSION/        the source of a 6.12 kernel, unpacked, never written again
#   source/linux-VERSION/  the same of another kernel
#   checkout/HASH/tree/    a hard-linked copy of the source with drivers/ferry,
#                          a link to the checkout whose path has the hash (of 7.3:
#                          tree-7.3)
#   checkout/HASH/NAME/    the build of kernel NAME (O=)
#   checkout/HASH/checkout a link to the checkout, for kernels that are not compiled
#   checkout/HASH/cross-*/ objects of vm/cross
#                          (vm/prune removes HASH/ when the checkout is gone)
#   kvm-BOOTID             result of the KVM probe, for one boot of the host
# Two checkouts share no written file. Every writer holds a lock (flock on a
# file beside the written files). Objects are shared through ccache, which sees
# the same relative paths from each checkout.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
cache=${FERRY_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/ferry}
# shellcheck disable=SC2034 # for scripts that source the file
slot=$cache/checkout/$(printf '%s %s' "$top" "${KERNEL_SRC:-}" | sha256sum | cut -c1-16)

# Some scripts read the output of make, and all scripts choose the options of make. Options
# of a calling make, which print directories or share jobs, are dropped.
unset MAKEFLAGS MFLAGS GNUMAKEFLAGS MAKEFILES MAKEOVERRIDES MAKELEVEL

die() { # STATUS MESSAGE...
	local status=$1
	shift
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit "$status"
}

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

# As say, but shown at once: vm/step keeps all other output of the command.
note() {
	if { : >&"${VM_NOTES:-2}"; } 2>/dev/null; then
		printf '%s: %s\n' "${0##*/}" "$*" >&"${VM_NOTES:-2}"
	else
		say "$*"
	fi
}

# All kernels, for messages and lists.
kernels() { (cd "$top/vm/config" && printf '%s\n' *.config debian-6.12 debian-7.3 | sed 's/\.config$//' | paste -sd' '); }

# The Linux version of a kernel, from its name, and of a source tree.
version_of() { # KERNEL
	case $1 in
	*-7.3) echo 7.3 ;;
	*) echo 6.12 ;;
	esac
}
hmm_tests() { # KERNEL: the program of hmm-tests
	case $(version_of "$1") in
	6.12) echo build/tests/hmm-tests ;;
	*) echo "build/tests/hmm-tests-$(version_of "$1")" ;;
	esac
}
version_of_source() { sed -n 's/^\(VERSION\|PATCHLEVEL\) = //p' "$1/Makefile" | paste -sd.; }

# Prints the defect of a value, or nothing. An empty value is valid.
wrong() { # NAME VALUE
	[ -n "$2" ] || return 0
	case $1 in
	KERNEL)
		if [[ $2 == image:* ]]; then
			[ -f "${2#image:}" ] || echo "there is no image '${2#image:}'"
		elif [[ " $(kernels) " != *" $2 "* ]]; then
			echo "no kernel '$2'; there are: $(kernels) image:FILE"
		fi
		;;
	KERNEL_MODULES)
		[ -f "$2/modules.dep" ] || echo "KERNEL_MODULES='$2' has no modules.dep: not the modules of a kernel" ;;
	KERNEL_HEADERS)
		[ -f "$2/Makefile" ] || echo "KERNEL_HEADERS='$2' has no Makefile: not the headers or build of a kernel" ;;
	KERNEL_SRC)
		if ! [ -f "$2/Makefile" ] || ! [ -f "$2/mm/migrate_device.c" ]; then
			echo "KERNEL_SRC='$2' is no kernel's source"
			return
		fi
		[[ " 6.12 7.3 " == *" $(version_of_source "$2") "* ]] ||
			echo "KERNEL_SRC='$2' is of neither a 6.12 nor a 7.3 kernel"
		;;
	THP) [[ $2 =~ ^(never|always)$ ]] || echo "THP='$2' is neither never nor always" ;;
	BACKEND) [[ $2 =~ ^(own|core)$ ]] || echo "BACKEND='$2' is neither own nor core" ;;
	CPUS) [[ $2 =~ ^([1-9]|1[0-6])$ ]] || echo "CPUS='$2' is not a number from 1 to 16" ;;
	JOBS) [[ $2 =~ ^([1-9]|1[0-6])$ ]] || echo "JOBS='$2' is not a number from 1 to 16" ;;
	MODULE) [[ $2 =~ ^(ferry|test_hmm|test_hmm_own|both|twin)$ ]] ||
		echo "MODULE='$2' is none of ferry, test_hmm, test_hmm_own, both, twin" ;;
	FILE) [ -f "$2" ] || echo "there is no file '$2'" ;;
	esac
}

# Dies if a variable has an invalid value, before any build.
valid() { # NAME...
	local name said
	for name; do
		said=$(wrong "$name" "${!name:-}")
		[ -z "$said" ] || die 2 "$said"
	done
}

# Options of make for modules of a kernel that another compiler may have built, one a line.
module_options() { # KERNELDIR
	local compiler
	# Kernel packages name their own release's compiler. Another gcc must know the options.
	# shellcheck disable=SC2016 # make's dollar
	compiler=$(sed -n 's/.*$(CROSS_COMPILE)\(gcc-[0-9]*\)$/x86_64-linux-gnu-\1/p' \
		"$1/.kernelvariables" 2>/dev/null) || compiler=
	[ -z "$compiler" ] || command -v "$compiler" >/dev/null || echo "CC=$top/vm/cc"
	# BTF of a module needs pahole; nothing here reads the BTF.
	command -v pahole >/dev/null || echo CONFIG_DEBUG_INFO_BTF_MODULES=
}

# Puts ccache, if it is installed, in front of the compiler in $cc. CCACHE_DEPEND: make's
# list of a file's headers decides a hit. Without it, each file that misses is preprocessed
# twice, which takes half as long as the compilation.
use_ccache() {
	command -v ccache >/dev/null || return 0
	# shellcheck disable=SC2154 # the caller's
	cc="ccache $cc"
	export CCACHE_DIR=${CCACHE_DIR:-$cache/ccache} CCACHE_BASEDIR=$cache CCACHE_NOHASHDIR=1 CCACHE_DEPEND=1
}

# In the guest: DAMON takes a reference on a page now and then, and such a page does not move
# (docs/findings.md).
damon_off() {
	[ ! -e /sys/module/damon_stat/parameters/enabled ] ||
		echo N >/sys/module/damon_stat/parameters/enabled
}

# Prints a script's first comment, up to the first line of code.
help() { awk 'NR > 1 && !/^#/ { exit } NR > 1 && !/^# shellcheck [a-z]*=/ { sub(/^# ?/, ""); print }' "$0"; }

case ${1:-} in
-h | --help) help; exit 0 ;;
esac

# lock FILE: held until the shell exits. Prints a message before a wait.
lock() {
	mkdir -p "$(dirname "$1")"
	exec {lock_fd}>"$1"
	flock -n "$lock_fd" || {
		say "waiting for another run to finish with $(dirname "$1")"
		flock "$lock_fd"
	}
}
