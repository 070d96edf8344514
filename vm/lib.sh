# shellcheck shell=bash
# What vm/* and tests/* share: where things are kept, and how the scripts speak.
#
# The cache, ${XDG_CACHE_HOME:-~/.cache}/ferry, holds
#   package/NAME/          Debian packages that are only read, unpacked (vm/fetch)
#   source/VERSION/        the kernel source, unpacked, never written again
#   checkout/HASH/tree/    a hard-linked copy of it with drivers/ferry in it,
#                          a link to the checkout whose path has that hash
#   checkout/HASH/NAME/    the build of kernel NAME (O=)
#   checkout/HASH/cross-*/ what vm/cross compiles
#                          (vm/prune removes it all when the checkout is gone)
#   kvm-BOOTID             what the KVM probe of this boot found
# so two checkouts share nothing that either writes. Every writer holds a lock
# (flock on a file beside what it writes). Objects are shared through ccache,
# which sees the same relative paths from each checkout.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
cache=${FERRY_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/ferry}
# shellcheck disable=SC2034 # for those who read this file
slot=$cache/checkout/$(printf '%s %s' "$top" "${KERNEL_SRC:-}" | sha256sum | cut -c1-16)

# Some scripts read what make prints, and all of them choose its options: those of a make
# above, which print directories or share its jobs, stay there.
unset MAKEFLAGS MFLAGS GNUMAKEFLAGS MAKEFILES MAKEOVERRIDES MAKELEVEL

die() { # STATUS MESSAGE...
	local status=$1
	shift
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit "$status"
}

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

# As say, and seen at once: vm/step keeps what its command prints, but for this.
note() {
	if { : >&"${VM_NOTES:-2}"; } 2>/dev/null; then
		printf '%s: %s\n' "${0##*/}" "$*" >&"${VM_NOTES:-2}"
	else
		say "$*"
	fi
}

# The kernels there are, for messages and lists.
kernels() { (cd "$top/vm/config" && printf '%s\n' *.config | sed 's/\.config$//' | paste -sd' '); }

# What is wrong with a value, or nothing. An empty one is none.
wrong() { # NAME VALUE
	[ -n "$2" ] || return 0
	case $1 in
	KERNEL) [ -f "$top/vm/config/$2.config" ] || echo "no kernel '$2'; there are: $(kernels)" ;;
	KERNEL_SRC)
		if ! [ -f "$2/Makefile" ] || ! [ -f "$2/mm/migrate_device.c" ]; then
			echo "KERNEL_SRC='$2' is no kernel's source"
			return
		fi
		[ "$(sed -n 's/^\(VERSION\|PATCHLEVEL\) = //p' "$2/Makefile" | paste -sd.)" = 6.12 ] ||
			echo "KERNEL_SRC='$2' is not of a 6.12 kernel"
		;;
	THP) [[ $2 =~ ^(never|always)$ ]] || echo "THP='$2' is neither never nor always" ;;
	BACKEND) [[ $2 =~ ^(own|core)$ ]] || echo "BACKEND='$2' is neither own nor core" ;;
	CPUS) [[ $2 =~ ^([1-9]|1[0-6])$ ]] || echo "CPUS='$2' is not a number from 1 to 16" ;;
	MODULE) [[ $2 =~ ^(ferry|test_hmm|test_hmm_own|both|twin)$ ]] ||
		echo "MODULE='$2' is none of ferry, test_hmm, test_hmm_own, both, twin" ;;
	FILE) [ -f "$2" ] || echo "there is no file '$2'" ;;
	esac
}

# Dies if one of these variables has a value that cannot be: before anything is built.
valid() { # NAME...
	local name said
	for name; do
		said=$(wrong "$name" "${!name:-}")
		[ -z "$said" ] || die 2 "$said"
	done
}

# What a script's first comment says, up to its first line of code.
help() { awk 'NR > 1 && !/^#/ { exit } NR > 1 && !/^# shellcheck [a-z]*=/ { sub(/^# ?/, ""); print }' "$0"; }

case ${1:-} in
-h | --help) help; exit 0 ;;
esac

# lock FILE: held until the shell exits. Says so when it has to wait.
lock() {
	mkdir -p "$(dirname "$1")"
	exec {lock_fd}>"$1"
	flock -n "$lock_fd" || {
		say "waiting for another run to finish with $(dirname "$1")"
		flock "$lock_fd"
	}
}
