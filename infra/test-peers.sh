#!/bin/sh
# Installs, as root on Debian and its kin, the programs that the tests use as peers and the addon's compiler. Says what it installs;
# does nothing where all is there. Where it cannot install, it names what is missing and ends with 0: the tests then skip it by name.
# usage: infra/test-peers.sh [--bench]    --bench: also the backup programs that the benchmarks compare with
set -u

wanted="g++:g++ make:make python3:python3 git:git rsync:rsync sqlite3:sqlite3 setfacl:acl setfattr:attr
mkfs.ext4:e2fsprogs mkfs.xfs:xfsprogs mkfs.btrfs:btrfs-progs setpriv:util-linux ps:procps"
[ "${1:-}" = --bench ] && wanted="$wanted restic:restic borg:borgbackup"

PATH=$PATH:/usr/sbin:/sbin
packages=
for pair in $wanted; do
  command -v "${pair%%:*}" >/dev/null 2>&1 || packages="$packages ${pair#*:}"
done
"$(dirname "$0")/test-s3.sh" --install # Says itself what it lacks, and what it installs.
[ -z "$packages" ] && exit 0
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
  echo "not installed, and only root can, with apt:$packages" >&2
  exit 0
fi
echo "installing with apt-get:$packages" >&2
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq >&2
for package in $packages; do # One by one: a package that this release lacks must not keep the others away.
  apt-get install -y -qq --no-install-recommends "$package" >/dev/null || echo "could not install $package" >&2
done
exit 0
