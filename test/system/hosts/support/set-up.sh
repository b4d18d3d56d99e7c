#!/usr/bin/env bash
# Makes what the host tests need, once: the tools, and a Debian 13 root file system in a cache outside the work tree.
# Prints the folder of the root file system as its last line. With --cluster there is a second one over it, of PostgreSQL, Patroni and
# etcd alone, and the line begins with that and a colon.
set -euo pipefail
cache=${TDF_TEST_CACHE:-${XDG_CACHE_HOME:-/var/cache}/tdf-test}
apt=${TDF_TEST_APT:-/etc/apt}

# The first archive of Debian among apt's own sources, in either of their formats (sources.list(5)).
mirror_of_apt() {
  { cat "$apt"/sources.list "$apt"/sources.list.d/*.list | sed -nE 's/^deb +(\[[^]]*\] +)?([^ ]+) .*/\2/p'
    cat "$apt"/sources.list.d/*.sources | sed -nE 's/^URIs: *([^ ]+).*/\1/p'
  } 2>/dev/null | grep -m 1 -E '/debian/?$' || true
}
mirror=${TDF_TEST_MIRROR:-$(mirror_of_apt)}
if [ -z "$mirror" ]; then
  echo "no archive of Debian among the sources in $apt: set TDF_TEST_MIRROR to the address of one" >&2
  exit 1
fi
if [ "${1:-}" = --mirror ]; then echo "$mirror"; exit 0; fi

# Changes with the list below, so that an old cache is not taken for a new one.
root=$cache/debian-13-v1
cluster=$cache/debian-13-v1-cluster-v1

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
if [ "${1:-}" != --cluster ]; then echo "$root"; exit 0; fi
if [ ! -d "$cluster" ]; then
  half=$cluster.half
  umount -l "$half/whole" 2>/dev/null || true
  rm -rf "$half"
  mkdir -p "$half/upper" "$half/work" "$half/whole"
  mount -t overlay overlay -o "lowerdir=$root,upperdir=$half/upper,workdir=$half/work" "$half/whole"
  trap 'umount -l "$half/whole"' EXIT
  # Debian's package would make a PostgreSQL of its own (docs/cluster.md).
  mkdir -p "$half/whole/etc/postgresql-common/createcluster.d"
  echo 'create_main_cluster = false' > "$half/whole/etc/postgresql-common/createcluster.d/none.conf"
  chroot "$half/whole" apt-get update >&2
  DEBIAN_FRONTEND=noninteractive chroot "$half/whole" apt-get -y install --no-install-recommends postgresql patroni python3-etcd etcd-server >&2
  chroot "$half/whole" dpkg --audit >&2
  chroot "$half/whole" apt-get clean
  umount "$half/whole"
  trap - EXIT
  mv "$half/upper" "$cluster"
  rm -rf "$half"
fi
echo "$cluster:$root"
