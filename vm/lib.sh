# shellcheck shell=bash
# What vm/* and tests/* share: where things are kept, and how the scripts speak.
#
# The cache, ${XDG_CACHE_HOME:-~/.cache}/ferry, holds
#   package/NAME/          Debian packages that are only read, unpacked (vm/fetch)
#   source/VERSION/        the kernel source, unpacked, never written again
#   checkout/HASH/tree/    a hard-linked copy of it with drivers/ferry in it,
#                          a link to the checkout whose path has that hash
#   checkout/HASH/NAME/    the build of kernel NAME (O=)
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

# What a script's first comment says, up to its first line of code.
help() { awk 'NR > 1 && !/^#/ { exit } NR > 1 && !/shellcheck/ { sub(/^# ?/, ""); print }' "$0"; }

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
