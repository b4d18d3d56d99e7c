#!/usr/bin/env bash
# Makes what the host tests need, once: the tools, and a Debian 13 root file system in a cache outside the work tree.
# Prints the folder of the root file system as its last line.
set -euo pipefail
cache=${TDF_TEST_CACHE:-${XDG_CACHE_HOME:-/var/cache}/tdf-test}
mirror=${TDF_TEST_MIRROR:-http://deb.debian.org/debian}
# Changes with the list below, so that an old cache is not taken for a new one.
root=$cache/debian-13-v1

tools=(systemd-nspawn debootstrap nft ip ssh)
packages=(systemd-container debootstrap nftables iproute2 openssh-client)
for tool in "${tools[@]}"; do
  if ! command -v "$tool" >/dev/null; then
    apt-get update >&2
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${packages[@]}" >&2
    break
  fi
done

mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
if [ ! -d "$root" ]; then
  half=$root.half
  rm -rf "$half"
  include=systemd,systemd-sysv,dbus,iproute2,openssh-server,git,ca-certificates,cloud-init,locales,nodejs,curl,nftables,sudo,procps
  debootstrap --variant=minbase --include="$include" trixie "$half" "$mirror" >&2 || {
    # cloud-init's cryptography is unpacked before what it depends on; apt puts that right.
    DEBIAN_FRONTEND=noninteractive chroot "$half" apt-get -y -f install >&2
  }
  DEBIAN_FRONTEND=noninteractive chroot "$half" apt-get -y -f install >&2
  DEBIAN_FRONTEND=noninteractive chroot "$half" apt-get -y install --no-install-recommends npm python3-jsonschema >&2
  chroot "$half" dpkg --audit >&2
  chroot "$half" apt-get clean
  rm -f "$half"/etc/ssh/ssh_host_* "$half"/etc/machine-id "$half"/var/lib/dbus/machine-id
  mv "$half" "$root"
fi
echo "$root"
