#!/usr/bin/env bash
# The README's two commands in a fresh Debian of another release, in a folder that is removed afterwards.
#   scripts/test_debian.sh RELEASE [LOG_FOLDER]     RELEASE: bookworm, trixie, testing, ...
# Needs root (chroot, mounts) and mmdebstrap. COMMANDS: what to run there instead, for instance "make test".
# APT_OPTION: an option of apt, for instance 'Acquire::Check-Valid-Until "false"' for a mirror of the past.
set -euo pipefail
cd "$(dirname "$0")/.."

die() {
  echo "test_debian.sh: $1" >&2
  exit "${2:-1}"
}

[[ $# -ge 1 && $# -le 2 && $1 =~ ^[a-z0-9.-]+$ ]] || die "usage: scripts/test_debian.sh RELEASE [LOG_FOLDER], for instance trixie" 2
release=$1
logs=${2:-build/debian}
commands=${COMMANDS:-make demo && make test}
command -v mmdebstrap > /dev/null || die "mmdebstrap is missing; install the package mmdebstrap"
[[ $(id -u) = 0 ]] || die "must run as root: it mounts /proc and /dev in the new system"

mkdir -p "$logs"
log=$logs/$release.log
root=$(mktemp -d)
trap 'rm -rf --one-file-system "$root"' EXIT
echo "$release: making the system"
mmdebstrap --variant=minbase ${APT_OPTION:+--aptopt="$APT_OPTION"} --include=ca-certificates,git,make "$release" "$root" > "$log" 2>&1 || {
  tail -n 5 "$log" >&2
  die "mmdebstrap cannot make $release, see $log"
}
mkdir "$root/darknet-generations"
git archive HEAD | tar -x -C "$root/darknet-generations"
cp /etc/resolv.conf "$root/etc/resolv.conf"
echo "$release: $commands (log: $log)"
start=$SECONDS
code=0
# The mounts end with the namespace.
# shellcheck disable=SC2016
unshare --mount --fork --pid --kill-child bash -c '
  mount --make-rprivate / && mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" &&
  exec chroot "$0" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
    sh -c "cd /darknet-generations && { $1; }"' "$root" "$commands" >> "$log" 2>&1 || code=$?
grep -E "tests passed|^(baseline|patriarch|student|ensemble)  *" "$log" || true
# shellcheck disable=SC2016
chroot "$root" dpkg-query -W -f '${Package} ${Version}\n' libdnnl-dev g++ cmake 2> /dev/null || true
echo "$release: exit code $code, $((SECONDS - start)) s"
exit "$code"
